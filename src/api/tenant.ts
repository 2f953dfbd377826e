import { z } from "zod";
import {
  conditions,
  dataKey,
  immutableField,
  objectMeta,
  objectName,
  quantity,
  rules,
  API_VERSION,
} from "./resource.ts";
import { securityChecks } from "./security-checks.ts";
import { spendLimit } from "./spend-limit.ts";

const httpsUrl = z
  .string()
  .max(2048)
  .regex(/^https:\/\/[^\s/?#]+/)
  .describe("An https URL.");

/** A server in the operator's configuration; the single `database` is `default`. */
export const serverName = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);

const egressRule = z.object({
  cidr: z
    .string()
    .max(64)
    .describe("A network, as 203.0.113.0/24.")
    .meta(
      rules(
        { rule: "isCIDR(self)", message: "cidr must be a network such as 203.0.113.0/24" },
        {
          rule: "!isCIDR(self) || !(cidr('169.254.0.0/16').containsCIDR(self) || cidr('fe80::/10').containsCIDR(self) || cidr('127.0.0.0/8').containsCIDR(self))",
          message: "link-local, metadata and loopback addresses are never opened: remove this entry",
        },
      ),
    ),
  ports: z.array(z.int().min(1).max(65535)).max(32).default([443]).describe("TCP ports."),
});

export const tenantSpec = z
  .object({
    namespace: z
      .string()
      .min(1)
      .max(63)
      .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
      .optional()
      .meta(
        rules({
          rule: "!self.startsWith('kube-') && self != 'default'",
          message: "a tenant cannot take a namespace of Kubernetes itself (default, kube-*): choose another name",
        }),
      )
      .describe("The tenant's namespace; the Tenant's name when left out. Immutable."),
    deletionPolicy: z
      .enum(["Retain", "Delete"])
      .default("Retain")
      .describe("Retain: data stays and logins are closed. Delete: schema and roles go with the Tenant."),
    database: z
      .object({
        isolation: z
          .enum(["Schema", "Database"])
          .default("Schema")
          .meta(
            rules({
              rule: "self == oldSelf",
              message: "isolation is immutable: export the tenant and create it anew",
              reason: "FieldValueForbidden",
            }),
          )
          .describe("Schema: a schema in the shared database. Database: a database of its own. Immutable."),
        connectionLimit: z
          .int()
          .min(2)
          .max(10_000)
          .default(50)
          .describe("Connections of all the tenant's pods together."),
        passwordRotationDays: z
          .int()
          .min(1)
          .max(365)
          .default(30)
          .describe("Age at which the tenant's database password is changed, without a failed query."),
        server: serverName
          .optional()
          .describe(
            "Which of the operator's Postgres servers holds the tenant. Left out: the least loaded, or the one that holds its data already. Once it is placed (status.database.server) it stays there.",
          ),
      })
      .prefault({})
      .describe("Where and how the tenant's data is kept."),
    anthropic: z
      .object({
        access: z
          .enum(["Direct", "Broker"])
          .default("Direct")
          .describe(
            "Direct: the pods of Agents have the API key. Broker: only the tenant's key broker has it; Agents reach the model through it, with tokens of their pods.",
          ),
        broker: z
          .object({ replicas: z.int().min(1).max(10).default(1).describe("Its pods.") })
          .prefault({})
          .describe("The key broker, where there is one."),
        apiKeySecretRef: z
          .object({
            name: objectName.describe("The Secret's name."),
            key: dataKey.default("api-key").describe("The Secret's key."),
          })
          .describe("A Secret in the tenant's namespace that holds the Anthropic API key."),
        apiKeyMaxAgeDays: z
          .int()
          .min(1)
          .max(3650)
          .default(90)
          .describe("A key that the operator has known for longer fails the security check KeysRotated."),
        allowedModels: z
          .array(z.string().min(1).max(128))
          .max(64)
          .default([])
          .meta({ "x-kubernetes-list-type": "set" })
          .describe("Models that Agents of this tenant may name; empty: any."),
      })
      .describe("The account that the tenant's agents use."),
    access: z
      .object({
        oidc: z
          .object({
            issuer: httpsUrl.describe(
              "An https URL: the token's iss, and the issuer that its discovery document names.",
            ),
            audience: z.string().min(1).max(256).default("agentpg").describe("The token's aud."),
            tenantClaim: z
              .string()
              .min(1)
              .max(128)
              .default("tenant")
              .describe("The claim that has to hold the Tenant's name."),
            userClaim: z.string().min(1).max(128).default("sub").describe("The claim that names the user."),
            roleClaim: z
              .string()
              .min(1)
              .max(128)
              .default("roles")
              .describe("The claim with the user's roles: a list, or a text with spaces. See Agent spec.approvals."),
          })
          .optional()
          .describe(
            "Who issues the tokens of end users. Left out: the cluster's own service-account tokens, audience agentpg.",
          ),
      })
      .prefault({})
      .describe("Whose tokens the tenant's agents take."),
    budget: z
      .object({
        perDay: spendLimit.optional().describe("Of a UTC day: usd, tokens or both."),
        perMonth: spendLimit.optional().describe("Of a UTC month: usd, tokens or both."),
      })
      .prefault({})
      .describe("Hard limits on spend, per UTC day and UTC month."),
    limits: z
      .object({
        runsPerMinute: z
          .int()
          .min(1)
          .max(1_000_000)
          .default(600)
          .describe("Runs that are taken in a minute; more are refused with 429."),
        concurrentRuns: z
          .int()
          .min(1)
          .max(100_000)
          .default(50)
          .describe("Runs that are worked on at a time; more wait."),
      })
      .prefault({})
      .describe("Of all the tenant's Agents together."),
    retention: z
      .object({
        sessionDays: z
          .int()
          .min(1)
          .max(36_500)
          .default(90)
          .describe("Sessions without a run created or finished for so long, and none open, are deleted."),
        archiveDays: z
          .int()
          .min(1)
          .max(36_500)
          .default(30)
          .describe("Originals that compaction put aside are deleted after so long."),
        auditDays: z.int().min(1).max(36_500).default(365).describe("Audit lines are deleted after so long."),
      })
      .prefault({})
      .describe("How long what was said and done is kept."),
    quota: z
      .object({
        pods: z.int().min(1).max(100_000).default(50).describe("Pods of the namespace."),
        cpu: quantity.default("8").describe("Sum of CPU requests."),
        memory: quantity.default("16Gi").describe("Sum of memory requests, and of memory limits."),
      })
      .prefault({})
      .describe(
        "Limits of the tenant's namespace: pods, the sum of CPU requests, and the sums of memory requests and limits.",
      ),
    network: z
      .object({
        egress: z
          .array(egressRule)
          .max(64)
          .default([])
          .describe("Networks beyond DNS, Postgres and the model endpoint."),
      })
      .prefault({})
      .describe("Where the tenant's agents may connect."),
    paused: z.boolean().default(false).describe("true: the operator leaves the tenant and its Agents as they are."),
  })
  .meta(rules(immutableField("namespace", "create another Tenant for another namespace")));

export const tenantStatus = z.object({
  observedGeneration: z.int().optional(),
  conditions: conditions.optional(),
  namespace: z.string().optional(),
  schema: z.string().optional(),
  operator: z
    .string()
    .optional()
    .describe("The operator whose Tenant this is, as namespace/instance; absent: the one without an instance name."),
  database: z
    .object({
      server: z.string().optional().describe("The operator's Postgres server that holds the tenant; chosen once."),
    })
    .optional(),
  agents: z.int().optional(),
  schemaVersion: z.int().optional().describe("The migration that the tenant's schema is at."),
  activeLogin: z.enum(["a", "b"]).optional(),
  credentialsRevision: z.string().optional(),
  passwordChangedAt: z.string().meta({ format: "date-time" }).optional(),
  apiKey: z
    .object({
      fingerprint: z.string().describe("The first 8 hex digits of the key's SHA-256."),
      since: z.string().meta({ format: "date-time" }).describe("When the operator first saw it."),
    })
    .optional()
    .describe("The Anthropic API key in the Secret, by its fingerprint only."),
  securityChecks: securityChecks.optional(),
  retention: z
    .object({
      lastRunAt: z.string().meta({ format: "date-time" }),
      removed: z
        .object({
          sessions: z.int(),
          runs: z.int(),
          messages: z.int(),
          toolExecutions: z.int(),
          archivedMessages: z.int(),
          auditRows: z.int(),
        })
        .describe("Rows, by kind."),
    })
    .optional()
    .describe("The last time that rows older than spec.retention were removed."),
  rotationRequest: z
    .string()
    .optional()
    .describe("The last value of the annotation agentpg.dev/rotate-password that was acted upon."),
  rotation: z
    .object({
      step: z.enum(["Opening", "Draining", "Closing"]),
      reason: z.string(),
      startedAt: z.string().meta({ format: "date-time" }),
      message: z.string().optional().describe("What it waits for."),
    })
    .optional()
    .describe(
      "A change of the database login under way. Opening: the idle login gets a password. Draining: it is published, pods move over. Closing: the old login is closed.",
    ),
});

/** A Tenant as the API server gives it. */
export const tenant = z.object({
  apiVersion: z.literal(API_VERSION).default(API_VERSION),
  kind: z.literal("Tenant").default("Tenant"),
  metadata: objectMeta,
  spec: tenantSpec,
  status: tenantStatus.prefault({}),
});

export type Tenant = z.infer<typeof tenant>;

/** Why and how a Tenant's condition is what it is; `True` conditions use the reason in the same words. */
export type TenantConditionType =
  | "Ready"
  | "NamespaceReady"
  | "DatabaseReady"
  | "CredentialsReady"
  | "MigrationsCurrent"
  | "NetworkReady"
  | "EncryptionReady"
  | "BrokerReady"
  | "ConnectionsSufficient"
  | "Paused"
  | "DeletionBlocked";

/** The namespace that a Tenant owns. */
export const tenantNamespace = (it: { metadata: { name: string }; spec: { namespace?: string } }): string =>
  it.spec.namespace ?? it.metadata.name;

/** Whether only the tenant's key broker has the API key. */
export const hasBroker = ({ spec }: { spec: { anthropic: { access: string } } }): boolean =>
  spec.anthropic.access === "Broker";
