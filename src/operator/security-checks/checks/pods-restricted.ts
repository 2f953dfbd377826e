import { isUnseen } from "../observation.ts";
import { type Check, failed, passed, some, unknown } from "../outcome.ts";
import type { Container, PodManifest } from "../pod-manifest.ts";

/** Volume types that Pod Security `restricted` lets through. */
const VOLUMES = new Set(
  "configMap csi downwardAPI emptyDir ephemeral persistentVolumeClaim projected secret".split(" "),
);
const SECCOMP = new Set<string | undefined>(["RuntimeDefault", "Localhost"]);
const IS_OVER = new Set<string | undefined>(["Succeeded", "Failed"]);
const AGENT = "agentpg-agent";

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
    ...(isAgent(pod) && !it.readOnlyRootFilesystem ? ["can write to its root file system"] : []),
  ];
}

const isAgent = ({ metadata }: PodManifest): boolean => metadata.labels?.["app.kubernetes.io/name"] === AGENT;

/** What a pod has that Pod Security `restricted` forbids, and for an agent's pod: what the operator never gives. Pure. */
export function podFaults(pod: PodManifest): string[] {
  const { hostNetwork, hostPID, hostIPC, volumes = [], automountServiceAccountToken } = pod.spec;
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec;
  const typeOf = (volume: object) => Object.keys(volume).find((key) => key !== "name") ?? "";
  const foreign = volumes.filter((it) => !VOLUMES.has(typeOf(it))).map((it) => `mounts ${it.name} (${typeOf(it)})`);
  const all = [...containers, ...initContainers, ...ephemeralContainers];
  return [
    ...(hostNetwork || hostPID || hostIPC ? ["shares the node's network, processes or IPC"] : []),
    ...foreign,
    ...(isAgent(pod) && automountServiceAccountToken !== false ? ["has a Kubernetes token"] : []),
    ...new Set(all.flatMap((it) => containerFaults(pod, it).map((fault) => `${it.name} ${fault}`))),
  ];
}

/** Every pod of the tenant's namespace is as Pod Security `restricted` asks, whoever made it. */
export const podsRestricted: Check = {
  name: "PodsRestricted",
  decide({ pods }) {
    if (isUnseen(pods)) return unknown("PodsNotSeen", pods.unseen);
    const running = pods.filter(({ status }) => !IS_OVER.has(status?.phase));
    const faults = running.flatMap((pod) => podFaults(pod).map((fault) => `Pod ${pod.metadata.name}: ${fault}`));
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
