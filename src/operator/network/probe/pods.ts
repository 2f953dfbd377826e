import type { OperatorConfig } from "../../config.ts";
import { MANAGED_BY } from "../../labels.ts";

/**
 * The four pods of a probe. `closed` and `confined` are under a default-deny policy, as all pods of tenants are; the chart
 * makes it (templates/network-probe.yaml) and knows the pods by the label.
 */
export const PROBE_PODS = {
  /** Listens, and may be reached. */
  open: "agentpg-probe-open",
  /** Listens, and a policy lets nobody in. */
  closed: "agentpg-probe-closed",
  /** Connects, and may: to `open`, which shows that the way is there, and to `closed`. */
  free: "agentpg-probe-free",
  /** Connects to `open`, and a policy lets it nowhere. */
  confined: "agentpg-probe-confined",
} as const;
export type ProbePod = keyof typeof PROBE_PODS;

const PROBE_LABEL = "agentpg.dev/probe";
const PORT = 7000;
/** Kubernetes ends a pod that nobody fetched. */
const LIFETIME_SECONDS = 300;

const bracketed = (address: string) => (address.includes(":") ? `[${address}]` : address);

export const listenArguments = ["network-probe", "listen", String(PORT)];
export const dialArguments = (targets: Record<string, string>) => [
  "network-probe",
  "dial",
  ...Object.entries(targets).map(([name, address]) => `${name}=${bracketed(address)}:${PORT}`),
];

/** One pod of a probe: `restricted`, without a token, of the operator's own image. */
export const probePod = (role: ProbePod, args: string[], config: OperatorConfig) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: PROBE_PODS[role],
    namespace: config.networkProbe.namespace,
    labels: {
      "app.kubernetes.io/name": "agentpg-network-probe",
      "app.kubernetes.io/part-of": "agentpg",
      "app.kubernetes.io/managed-by": MANAGED_BY,
      [PROBE_LABEL]: role,
    },
  },
  spec: {
    restartPolicy: "Never",
    activeDeadlineSeconds: LIFETIME_SECONDS,
    terminationGracePeriodSeconds: 1,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    imagePullSecrets: config.imagePullSecrets.map((name) => ({ name })),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 1000,
      runAsGroup: 1000,
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        name: "probe",
        image: config.image,
        imagePullPolicy: config.imagePullPolicy,
        args,
        resources: { requests: { cpu: "10m", memory: "48Mi" }, limits: { memory: "128Mi" } },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
      },
    ],
  },
});
