import { API_PORT, METRICS_PORT } from "../api/agent-config.ts";
import type { OperatorConfig } from "./config.ts";

/** How long a pod that is to end still takes requests: until every node has learned that it is no endpoint any more. */
export const LEAVE_SECONDS = 5;

/** Of a container that serves `/livez` and `/readyz`; a kubelet does not look at the certificate. */
export const probesOver = (scheme: "HTTP" | "HTTPS") => {
  const probe = (path: string, more: object) => ({
    httpGet: { path, port: "api", ...(scheme === "HTTPS" ? { scheme } : {}) },
    timeoutSeconds: 3,
    ...more,
  });
  return {
    startupProbe: probe("/livez", { periodSeconds: 1, failureThreshold: 60 }),
    livenessProbe: probe("/livez", { periodSeconds: 10, failureThreshold: 3 }),
    readinessProbe: probe("/readyz", { periodSeconds: 2, failureThreshold: 2 }),
  };
};

export const probes = probesOver("HTTP");

export const ports = [
  { name: "api", containerPort: API_PORT },
  { name: "metrics", containerPort: METRICS_PORT },
];

/** Stricter than Pod Security `restricted`, from no field of a spec to be weakened. */
export const containerSecurity = {
  allowPrivilegeEscalation: false,
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  runAsUser: 1000,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};

const podSecurity = {
  runAsNonRoot: true,
  runAsUser: 1000,
  runAsGroup: 1000,
  fsGroup: 1000,
  seccompProfile: { type: "RuntimeDefault" },
};

/** Spread over nodes and zones, as far as there are any. */
const topologySpread = (selector: Record<string, string>) =>
  ["kubernetes.io/hostname", "topology.kubernetes.io/zone"].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: "ScheduleAnyway",
    labelSelector: { matchLabels: selector },
  }));

/**
 * What all pods of the operator's have in common, beside containers and volumes: they have no token of Kubernetes.
 * @param drainSeconds what they may take to end after they have left
 */
export const restrictedPod = (
  { imagePullSecrets }: OperatorConfig,
  selector: Record<string, string>,
  drainSeconds: number,
) => ({
  automountServiceAccountToken: false,
  enableServiceLinks: false,
  terminationGracePeriodSeconds: LEAVE_SECONDS + drainSeconds + 10,
  ...(imagePullSecrets.length > 0 ? { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) } : {}),
  securityContext: podSecurity,
  topologySpreadConstraints: topologySpread(selector), // of a single pod too: to scale must not change the template
  initContainers: [], // said aloud, so that one that somebody adds is drift
});
