import { z } from "zod";
import { agentSpec } from "./agent.ts";
import { tenantSpec } from "./tenant.ts";

/** Where an agent pod finds what the operator gives it. Directories are mounted whole (never subPath), so that changes arrive. */
export const AGENT_FILES = {
  /** One file, `agent.json`: an {@link AgentConfig}. */
  config: "/etc/agentpg/config",
  /** The files of {@link DATABASE_FILES}. */
  database: "/etc/agentpg/database",
  /** One file, `api-key`. May be missing until the Secret exists. */
  anthropic: "/etc/agentpg/anthropic",
  /** One file, `jwks.json`: the keys of the cluster's own token issuer; present when `access.source` is `cluster`. */
  access: "/etc/agentpg/access",
  /** The files of `src/database/encryption/data-keys.ts`; empty while the tenant has no data keys. */
  transcriptKeys: "/etc/agentpg/transcript-keys",
  /** A folder for each module, with the files of its ConfigMap. */
  modules: "/etc/agentpg/modules",
  /** A file for each tool whose MCP server wants a token, under the tool's name. */
  mcpTokens: "/etc/agentpg/mcp-tokens",
  /** In the place of `anthropic` where the tenant has a key broker: `token`, that the kubelet renews, and `ca.crt`. */
  brokerToken: "/etc/agentpg/broker-token",
  /** Of a key broker's own pod: `tls.crt` and `tls.key`. */
  brokerTls: "/etc/agentpg/broker-tls",
} as const;

/**
 * How Node runs in an agent pod. Under load V8 lets the young generation grow to 96 MiB, more than 200 runs at a time live on; this
 * makes it 48. It can only be set as the process starts.
 */
export const AGENT_NODE_OPTIONS = "--max-semi-space-size=16";

/** The keys of the credentials Secret: one file each, published together (a Secret volume swaps all of them at once). */
export const DATABASE_FILES = {
  host: "host",
  port: "port",
  database: "dbname",
  user: "username",
  password: "password",
  sslMode: "sslmode",
  ca: "ca.crt",
  schema: "schema",
  revision: "revision",
  /** `None` or `Transaction`: the pooler that the address leads to. May be missing. */
  pooler: "pooler",
} as const;

export const API_PORT = 8080;
export const METRICS_PORT = 9090;

/** Who may call an agent, and how its tokens are checked. */
const access = z.discriminatedUnion("source", [
  /** Tokens of an OIDC issuer; its keys are fetched from it. */
  z.object({
    source: z.literal("oidc"),
    issuer: z.string(),
    audience: z.string(),
    tenantClaim: z.string(),
    userClaim: z.string(),
    roleClaim: z.string().default("roles"),
    /** What the tenant claim must say. */
    tenant: z.string(),
  }),
  /** Service-account tokens of this cluster; the operator publishes the issuer's keys as a file. The tenant is the token's namespace. */
  z.object({ source: z.literal("cluster"), issuer: z.string(), audience: z.string(), namespace: z.string() }),
  /** No check. Only for the stand-alone runtime, behind an explicit flag. */
  z.object({ source: z.literal("none") }),
]);

/** All that an agent pod has to know, apart from secrets: the contents of `agent.json`. */
export const agentConfig = z.object({
  tenant: z.object({ name: z.string(), uid: z.string(), namespace: z.string() }),
  agent: z.object({ name: z.string(), uid: z.string() }),
  model: agentSpec.shape.model,
  systemPrompt: z.string().optional(),
  mode: agentSpec.shape.mode,
  maxOutputTokens: agentSpec.shape.maxOutputTokens,
  limits: agentSpec.shape.limits,
  tools: agentSpec.shape.tools,
  workspace: agentSpec.shape.workspace,
  /** What is imported at the start: `file` in the folder `name`. The revision changes with the contents. */
  modules: z.array(z.object({ name: z.string(), file: z.string(), revision: z.string() })).default([]),
  approvals: agentSpec.shape.approvals,
  compaction: agentSpec.shape.compaction,
  tenantLimits: tenantSpec.shape.limits,
  budget: tenantSpec.shape.budget,
  /** Of this agent alone. */
  agentBudget: agentSpec.shape.budget,
  access,
  /** Whether what is said is encrypted before it is stored. */
  encryptTranscripts: z.boolean().default(false),
  /** What becomes of personal data. */
  pii: agentSpec.shape.dataProtection.unwrap().shape.pii,
  /** Where the Messages API is; left out: Anthropic's own. */
  anthropicBaseUrl: z.string().optional(),
  /** Where the tenant's key broker is, when it has one: the Messages API is reached through it, with the pod's token as the key. */
  brokerUrl: z.string().optional(),
});
export type AgentConfig = z.infer<typeof agentConfig>;
export type AccessConfig = z.infer<typeof access>;
