import { BROKER, BROKER_AUDIENCE } from "../../../api/broker-config.ts";
import type { Tenant } from "../../../api/tenant.ts";
import { isUnseen } from "../observation.ts";
import { type Check, failed, passed, some, unknown } from "../outcome.ts";
import type { Container, PodManifest, Projected } from "../pod-manifest.ts";

/** Volume types that Pod Security `restricted` lets through. */
const VOLUMES = new Set(
  "configMap csi downwardAPI emptyDir ephemeral persistentVolumeClaim projected secret".split(" "),
);
const SECCOMP = new Set<string | undefined>(["RuntimeDefault", "Localhost"]);
const IS_OVER = new Set<string | undefined>(["Succeeded", "Failed"]);
const AGENT = "agentpg-agent";
/** The operator's own pods: stricter than `restricted`. */
const OURS = [AGENT, BROKER];

function containerFaults(pod: PodManifest, { securityContext: own = {} }: Container): string[] {
  const { securityContext: ofPod = {} } = pod.spec;
  const it = { ...ofPod, ...own };
  return [
    ...(it.privileged ? ["is privileged"] : []),
    ...(it.allowPrivilegeEscalation === false ? [] : ["may escalate privileges"]),
    ...(it.runAsNonRoot === true && it.runAsUser !== 0 ? [] : ["may run as root"]),
    ...(it.capabilities?.drop?.includes("ALL") ? [] : ["keeps capabilities"]),
    ...((it.capabilities?.add ?? []).every((name) => name === "NET_BIND_SERVICE") ? [] : ["adds capabilities"]),
    ...(SECCOMP.has(it.seccompProfile?.type) ? [] : ["has no seccomp profile"]),
    // Beyond `restricted`, of the operator's own pods.
    ...(isOurs(pod) && !it.readOnlyRootFilesystem ? ["can write to its root file system"] : []),
  ];
}

const nameOf = ({ metadata }: PodManifest): string => metadata.labels?.["app.kubernetes.io/name"] ?? "";
const isOurs = (pod: PodManifest): boolean => OURS.includes(nameOf(pod));

/** A token that the API server would take, or another than the one for the key broker. */
function hasToken(pod: PodManifest): boolean {
  if (pod.spec.automountServiceAccountToken !== false) return true;
  const tokens = (pod.spec.volumes ?? []).flatMap(({ projected }) =>
    ((projected as Projected | undefined)?.sources ?? []).flatMap((it) => it.serviceAccountToken ?? []),
  );
  return tokens.some(({ audience }) => nameOf(pod) !== AGENT || audience !== BROKER_AUDIENCE);
}

/** The Secrets that the pod mounts, or has in its environment. */
function secretsOf({ spec: { volumes = [], containers = [], initContainers = [] } }: PodManifest): unknown[] {
  const mounted = volumes.flatMap(({ secret, projected }) => [
    (secret as { secretName?: string } | undefined)?.secretName,
    ...((projected as Projected | undefined)?.sources ?? []).map((it) => it.secret?.name),
  ]);
  const inEnvironment = [...containers, ...initContainers].flatMap(({ env = [], envFrom = [] }) => [
    ...env.map(({ valueFrom }) => valueFrom?.secretKeyRef?.name),
    ...envFrom.map((it) => it.secretRef?.name),
  ]);
  return [...mounted, ...inEnvironment];
}

/** What a pod has that Pod Security `restricted` forbids, and for an agent's pod: what the operator never gives. Pure. */
export function podFaults(pod: PodManifest): string[] {
  const { hostNetwork, hostPID, hostIPC, volumes = [] } = pod.spec;
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec;
  const typeOf = (volume: object) => Object.keys(volume).find((key) => key !== "name") ?? "";
  const foreign = volumes.filter((it) => !VOLUMES.has(typeOf(it))).map((it) => `mounts ${it.name} (${typeOf(it)})`);
  const all = [...containers, ...initContainers, ...ephemeralContainers];
  return [
    ...(hostNetwork || hostPID || hostIPC ? ["shares the node's network, processes or IPC"] : []),
    ...foreign,
    ...(isOurs(pod) && hasToken(pod) ? ["has a Kubernetes token"] : []),
    ...new Set(all.flatMap((it) => containerFaults(pod, it).map((fault) => `${it.name} ${fault}`))),
  ];
}

/** Where a broker has the API key, no other pod has it. */
function keyFaults(pod: PodManifest, { spec: { anthropic } }: Tenant): string[] {
  const isHeld = anthropic.access === "Broker" && nameOf(pod) !== BROKER;
  return isHeld && secretsOf(pod).includes(anthropic.apiKeySecretRef.name)
    ? ["has the API key, which is for the key broker alone"]
    : [];
}

/** Every pod of the tenant's namespace is as Pod Security `restricted` asks, whoever made it. */
export const podsRestricted: Check = {
  name: "PodsRestricted",
  decide({ pods, tenant }) {
    if (isUnseen(pods)) return unknown("PodsNotSeen", pods.unseen);
    const running = pods.filter(({ status }) => !IS_OVER.has(status?.phase));
    const faults = running.flatMap((pod) =>
      [...podFaults(pod), ...keyFaults(pod, tenant)].map((fault) => `Pod ${pod.metadata.name}: ${fault}`),
    );
    if (faults.length > 0)
      return failed(
        "NotRestricted",
        `${some(faults)}: delete the pod, and find out who could make it: the namespace's label pod-security.kubernetes.io/enforce must be restricted`,
      );
    if (running.length === 0) return unknown("NoPods", "the namespace has no pods now");
    return passed(
      "Restricted",
      "read all pods of the namespace: non-root, no privilege escalation, no capabilities, seccomp, nothing of the node; agents also without a Kubernetes token and with a read-only root",
    );
  },
};
