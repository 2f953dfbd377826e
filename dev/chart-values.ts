// The chart's values as a list of leaves, and for each another value that must change what is rendered.

type Path = readonly string[];
interface Leaf {
  path: Path;
  /** What values.yaml has. */
  value: unknown;
}

export const REQUIRED = { database: { host: "postgres.example.com", credentialsSecret: "agentpg-database-admin" } };
const on = { enabled: true };
/** All that the chart can make. */
export const EVERYTHING = {
  ...REQUIRED,
  encryption: { keySecret: "agentpg-keys" },
  tracing: { endpoint: "http://collector.tracing:4318" },
  networkPolicy: on,
  console: on,
  metrics: { serviceMonitor: on, podMonitor: on, rules: on, dashboards: on },
};

/** Kubernetes' own form begins here: what is inside is not ours to describe. */
const FREE_FORM = new Set(["operator.resources", "operator.affinity", "metricsClients"]);

const isBranch = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;

export function leavesOf(values: Record<string, unknown>, above: Path = []): Leaf[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const path = [...above, key];
    return isBranch(value) && !FREE_FORM.has(path.join(".")) ? leavesOf(value, path) : [{ path, value }];
  });
}

const PEERS = [{ ipBlock: { cidr: "203.0.113.7/32" } }];
/** Where "one more", "the opposite" or "some text" will not do. */
const SAMPLES: Record<string, unknown> = {
  "image.pullPolicy": "Always",
  "image.digest": `sha256:${"0123456789abcdef".repeat(4)}`,
  "image.pullSecrets": ["registry"],
  "database.pooler": "Transaction",
  "database.peers": PEERS,
  databases: [{ server: "second", host: "postgres-2.example.com", credentialsSecret: "agentpg-database-second" }],
  "model.peers": PEERS,
  "model.baseUrl": "https://gateway.example.com",
  "tracing.endpoint": "https://collector.example.com/otlp",
  "tracing.sampleRatio": 0.1,
  "tracing.peers": PEERS,
  agentClients: PEERS,
  metricsClients: PEERS,
  dnsPeers: PEERS,
  "operator.logLevel": "debug",
  "operator.resources": { limits: { memory: "1Gi" } },
  "operator.tolerations": [{ key: "a", operator: "Exists" }],
  "operator.affinity": { nodeAffinity: {} },
  "operator.topologySpreadConstraints": [
    { maxSkew: 1, topologyKey: "topology.kubernetes.io/zone", whenUnsatisfiable: "DoNotSchedule" },
  ],
  "operator.dnsPolicy": "Default",
  "operator.dnsConfig": { nameservers: ["203.0.113.53"] },
  "operator.hostAliases": [{ ip: "203.0.113.7", hostnames: ["postgres.example.com"] }],
  extraObjects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "{{ .Release.Name }}-more" } }],
  "operator.extraEnv": [{ name: "HTTPS_PROXY", value: "http://proxy.example.com:3128" }],
  "operator.extraVolumes": [{ name: "more", emptyDir: {} }],
  "operator.extraVolumeMounts": [{ name: "more", mountPath: "/more" }],
  "securityChecks.documents": { incidentPlan: { date: "2026-11-28", place: "https://wiki.example.com/incidents" } },
  "admissionPolicies.otherOperators": ["system:serviceaccount:other-system:agentpg"],
  "migrations.failureBudget": "7%",
  "metrics.serviceMonitor.interval": "17s",
  "metrics.podMonitor.interval": "17s",
  "console.clients": PEERS,
  "networkPolicy.apiServer.peers": PEERS,
  "networkPolicy.apiServer.ports": [16443],
  "networkPolicy.extraIngress": [{ ports: [{ port: 1 }] }],
  "networkPolicy.extraEgress": [{ ports: [{ port: 1 }] }],
};

/** Another value than {@link EVERYTHING} has, that the schema takes. @throws Error when one has to be written down here */
export function another({ path, value }: Leaf): unknown {
  const name = path.join(".");
  if (name in SAMPLES) return SAMPLES[name];
  if (typeof value === "boolean") return !(valueAt(EVERYTHING, path) ?? value);
  if (typeof value === "number") return value + 1;
  if (value === null) return 1234;
  if (typeof value === "string") return "another";
  if (!Array.isArray(value)) return { another: "value" };
  throw new Error(`charts/agentpg/values.yaml has ${name}: give another value for it in dev/chart-values.ts`);
}

const valueAt = (values: unknown, path: Path): unknown =>
  path.reduce((at: unknown, key) => (at as Record<string, unknown> | undefined)?.[key], values);

/** A value of a type that this leaf can never have. */
export const illTyped = ({ value }: Leaf): unknown =>
  Array.isArray(value) || (typeof value === "object" && value !== null) ? "a text" : { a: { map: 1 } };

/** The values with one changed. */
export function withValue(values: object, [key = "", ...rest]: Path, value: unknown): Record<string, unknown> {
  const own = values as Record<string, unknown>;
  const inner = own[key];
  const below = typeof inner === "object" && inner !== null ? inner : {};
  return { ...own, [key]: rest.length ? withValue(below, rest, value) : value };
}
