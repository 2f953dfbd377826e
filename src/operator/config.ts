import { readFileSync } from "node:fs";
import { z } from "zod";

const peer = z.looseObject({});
const port = z.int().min(1).max(65535);

/**
 * What the chart tells the operator: one JSON file. Secrets are not in it; `database.credentialsDir` is a mounted Secret
 * with the keys `username` and `password`, and `ca.crt` unless the system's CAs do.
 */
export const operatorConfig = z.strictObject({
  /** The operator's own namespace: Lease, and the peers that may scrape. */
  namespace: z.string().min(1),
  /** The image of agent pods: the operator's own. */
  image: z.string().min(1),
  imagePullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent"),
  imagePullSecrets: z.array(z.string()).default([]),
  serviceAccount: z.string().min(1).default("agentpg-operator"),
  /** The ClusterRole that the operator binds itself to in each tenant namespace. */
  tenantClusterRole: z.string().min(1).default("agentpg-tenant-manager"),
  migrationsDir: z.string().optional(),
  database: z.strictObject({
    host: z.string().min(1),
    port: port.default(5432),
    name: z.string().min(1).default("agentpg"),
    credentialsDir: z.string().min(1),
    /** true: plain text. Never by default. */
    insecure: z.boolean().default(false),
    /** Where pods reach the database, when that is another name than the operator's. */
    agentHost: z.string().optional(),
    agentPort: port.optional(),
    /** NetworkPolicy peers of the database; empty: any address. */
    peers: z.array(peer).default([]),
    /** The port that a NetworkPolicy sees, behind a Service. */
    peerPort: port.optional(),
  }),
  model: z
    .strictObject({
      /** The Messages API; left out: Anthropic's own. */
      baseUrl: z.url().optional(),
      /** NetworkPolicy peers of the endpoint; empty: any public address. */
      peers: z.array(peer).default([]),
      port: port.default(443),
    })
    .prefault({}),
  /** NetworkPolicy peers that may call agents, beyond the tenant's own namespace. */
  agentClients: z.array(peer).default([]),
  /** NetworkPolicy peers that may scrape metrics. */
  metricsClients: z.array(peer).default([]),
  /** NetworkPolicy peers of the cluster's DNS. */
  dnsPeers: z.array(peer).default([
    {
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
      podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
    },
  ]),
  /** Audience of the tokens that agents accept from this cluster's service accounts. */
  tokenAudience: z.string().min(1).default("agentpg"),
  resyncSeconds: z.int().min(5).default(300),
  concurrency: z.int().min(1).max(64).default(8),
  leaderElection: z.boolean().default(true),
  healthPort: z.int().min(0).max(65535).default(8081),
  metricsPort: z.int().min(0).max(65535).default(9090),
});
export type OperatorConfig = z.infer<typeof operatorConfig>;

/** @throws Error that names the file, the field and what is wrong with it */
export function loadOperatorConfig(path: string): OperatorConfig {
  let data: unknown;
  try {
    data = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new Error(`cannot read the operator's configuration ${path}: give a JSON file with --config`, { cause });
  }
  const result = operatorConfig.safeParse(data);
  if (result.success) return result.data;
  throw new Error(`${path} is not a valid configuration:\n${z.prettifyError(result.error)}`);
}
