import { readFileSync } from "node:fs";
import { z } from "zod";
import { databaseServer, moreServers, peer, port, refuseTwins } from "./databases/server-config.ts";
import { PERCENTAGE } from "./migrations/failure-budget.ts";
import { instanceName, labelSelector } from "./scope.ts";
import { ADMIN_PORT } from "./shared-names.ts";

const BUDGET = 'must be a whole number of tenants, or a percentage of them from "1%" to "100%"';

const securityDocument = z.strictObject({ date: z.iso.date(), place: z.string().min(1).max(256) });

const settings = z.strictObject({
  /** The operator's own namespace: Lease, and the peers that may scrape. */
  namespace: z.string().min(1),
  /** This operator's name among several of the cluster. It is how its Tenants know it: it must not change later. */
  instance: instanceName.optional(),
  /** The Tenants that are this operator's, by their labels, and all Agents in their namespaces. Empty: all. */
  tenantSelector: labelSelector.default(""),
  /** The image of agent pods: the operator's own. */
  image: z.string().min(1),
  imagePullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent"),
  imagePullSecrets: z.array(z.string()).default([]),
  serviceAccount: z.string().min(1).default("agentpg-operator"),
  /** The ClusterRole that the operator binds itself to in each tenant namespace. */
  tenantClusterRole: z.string().min(1).default("agentpg-tenant-manager"),
  migrationsDir: z.string().optional(),
  /** The server that Tenants are on unless there are more: its name is `default`. */
  database: databaseServer,
  /** More Postgres servers (docs/scaling.md). A Tenant is placed on one of all of them, once. */
  databases: moreServers,
  model: z
    .strictObject({
      /** The Messages API; left out: Anthropic's own. */
      baseUrl: z.url().optional(),
      /** NetworkPolicy peers of the endpoint; empty: any public address. */
      peers: z.array(peer).default([]),
      port: port.default(443),
    })
    .prefault({}),
  /** Where agents send traces (docs/observability.md); left out: nowhere. */
  tracing: z
    .strictObject({
      /** A collector that takes OTLP over HTTP, without the path. */
      endpoint: z
        .url({ protocol: /^https?$/, error: "must be an http:// or https:// URL, as http://collector.tracing:4318" })
        .refine((it) => !/^https?:\/\/[^/]*@/.test(it), {
          error: "must not have credentials in it: agents' pods show it",
        }),
      /** Which part of the traces that begin at agents is kept. */
      sampleRatio: z.number().min(0).max(1).default(1),
      /** Whether spans say of which session they are. */
      sessionIds: z.boolean().default(false),
      /** Whether the operator itself sends traces there too, of what it reconciles. */
      operator: z.boolean().default(false),
      /** NetworkPolicy peers of the collector; empty: any address, on its port. */
      peers: z.array(peer).default([]),
      /** The port that a NetworkPolicy sees, behind a Service. */
      peerPort: port.optional(),
    })
    .optional(),
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
  migrations: z
    .strictObject({
      /** Tenants that are migrated before all others, the oldest; used where none is labelled `agentpg.dev/canary=true`. 0: none. */
      canaries: z.int().min(0).max(1000).default(1),
      /** Tenants that are migrated at once; never more than `concurrency`. */
      concurrency: z.int().min(1).max(64).default(8),
      /** Tenants that may fail before the rollout pauses: a number, or a part of all as "5%". */
      failureBudget: z
        .union([z.int(BUDGET).min(0, BUDGET), z.string().regex(PERCENTAGE, BUDGET)], BUDGET)
        .default("5%"),
    })
    .prefault({}),
  /** When rows that are older than `spec.retention` of their Tenant are removed. */
  retention: z
    .strictObject({
      intervalSeconds: z.int().min(60).default(86_400),
      /** After a start of the operator, about; tenants take turns. */
      firstAfterSeconds: z.int().min(0).default(60),
    })
    .prefault({}),
  /** How soon a changed API key is seen: its Secret is read in turn with those of the other tenants. */
  apiKeys: z
    .strictObject({
      everySeconds: z.number().min(0.1).max(3600).default(4),
      /** Requests at most; more tenants than that allows are read less often. */
      perSecond: z.number().min(0.1).max(1000).default(20),
    })
    .prefault({}),
  /** The rows of `status.securityChecks` (docs/security.md). */
  securityChecks: z
    .strictObject({
      /** Between two looks at one tenant. */
      intervalSeconds: z.int().min(1).default(600),
      /** Between two logins as the tenant, to try what must be refused. Each takes one of its connections for a moment. */
      loginSeconds: z.int().min(1).default(3600),
      /** For a tenant without rows: its first look, after it was provisioned. */
      firstAfterSeconds: z.int().min(0).default(10),
      /** What no machine can prove: that it was written down, where, and on which day it was last gone over. */
      documents: z
        .strictObject({
          accessReview: securityDocument.optional(),
          incidentPlan: securityDocument.optional(),
          auditSchedule: securityDocument.optional(),
        })
        .prefault({}),
    })
    .prefault({}),
  /** Whether the cluster enforces NetworkPolicy, tried with packets between pods of a namespace that is there for it. */
  networkProbe: z
    .strictObject({
      enabled: z.boolean().default(false),
      /** With the policies that the chart makes there. */
      namespace: z.string().min(1).default("agentpg-probe"),
      firstAfterSeconds: z.int().min(0).default(15),
      intervalSeconds: z.int().min(1).default(86_400),
      /** For one probe, images and all. */
      timeoutSeconds: z.int().min(1).max(280).default(120),
      /** true: a Tenant is not ready while policies are not enforced, or that is not known. */
      required: z.boolean().default(false),
    })
    .prefault({}),
  /** Transcripts of Agents with `dataProtection.encryptTranscripts`. */
  encryption: z
    .strictObject({
      /** A mounted Secret with the key-encryption keys; left out: no transcript can be encrypted. */
      keysDir: z.string().min(1).optional(),
      /** A tenant gets a new data key after so long; 0: never. One key is good for 2^32 values. */
      dataKeyMaxAgeDays: z.int().min(0).max(3650).default(90),
      /** How long a new data key is in the tenant's Secret before pods write with it: the kubelet has to have brought it to all. */
      publishSeconds: z.int().min(0).max(3600).default(120),
    })
    .prefault({}),
  /** The web console (docs/console.md): closed unless it is asked for. */
  console: z
    .strictObject({
      enabled: z.boolean().default(false),
      port: z.int().min(0).max(65535).default(8443),
      /** A mounted Secret with `tls.crt` and `tls.key`; left out: plain HTTP, for a port-forward or a proxy that does TLS. */
      tlsDir: z.string().min(1).optional(),
      /** After so long people sign in again; sooner where their token ends sooner. */
      sessionMinutes: z.int().min(1).max(1440).default(60),
      /** The Secret in the operator's namespace with the key of the sessions; the operator fills it. */
      sessionSecret: z.string().min(1).default("agentpg-console-session"),
      /** Where the page is; beside the program unless told. */
      pageDir: z.string().min(1).optional(),
    })
    .prefault({}),
  leaderElection: z.boolean().default(true),
  /** Of the leader's Lease, in seconds; the defaults are client-go's. Longer ones bear a slower API server and a later successor. */
  lease: z
    .strictObject({
      durationSeconds: z.int().min(2).max(3600).default(15),
      renewDeadlineSeconds: z.int().min(1).max(3600).default(10),
      retrySeconds: z.number().min(0.1).max(600).default(2),
    })
    .refine((it) => it.retrySeconds < it.renewDeadlineSeconds && it.renewDeadlineSeconds < it.durationSeconds, {
      error: "must be retrySeconds < renewDeadlineSeconds < durationSeconds",
    })
    .prefault({}),
  /** Silence after which a watch is ended and resumed. Bookmarks come about every minute, so less than that resumes quiet ones needlessly. */
  watchStallSeconds: z.int().min(1).max(3600).default(120),
  healthPort: z.int().min(0).max(65535).default(8081),
  metricsPort: z.int().min(0).max(65535).default(9090),
  /** The port of the admin operations; it listens on 127.0.0.1 only. */
  adminPort: z.int().min(0).max(65535).default(ADMIN_PORT),
});
/**
 * What the chart tells the operator: one JSON file. Secrets are not in it; `database.credentialsDir` is a mounted Secret
 * with the keys `username` and `password`, and `ca.crt` unless the system's CAs do.
 */
export const operatorConfig = settings.superRefine(refuseTwins);
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
