import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type AgentConfig, AGENT_FILES, agentConfig, API_PORT, METRICS_PORT } from "../api/agent-config.ts";
import { WORKSPACE_PATH } from "../api/workspace.ts";
import { GUIDE_POOL_LIMITS } from "../database/connection.ts";
import { TRACING_ENVIRONMENT } from "./tracing/settings.ts";

const flag = z
  .enum(["true", "false", ""])
  .default("false")
  .transform((it) => it === "true");
const whole = (fallback: number, min: number, max: number) =>
  z.coerce.number().int().min(min).max(max).default(fallback);

/** The environment of the runtime: read here, once. Empty variables count as unset. */
const environment = z.object({
  AGENTPG_CONFIG: z.string().default(join(AGENT_FILES.config, "agent.json")),
  AGENTPG_DATABASE_DIR: z.string().default(AGENT_FILES.database),
  AGENTPG_ANTHROPIC_DIR: z.string().default(AGENT_FILES.anthropic),
  AGENTPG_BROKER_TOKEN_DIR: z.string().default(AGENT_FILES.brokerToken),
  // Of a key broker only: with it, it takes TLS and nothing else.
  AGENTPG_BROKER_TLS_DIR: z.string().optional(),
  AGENTPG_ACCESS_DIR: z.string().default(AGENT_FILES.access),
  AGENTPG_TRANSCRIPT_KEYS_DIR: z.string().default(AGENT_FILES.transcriptKeys),
  AGENTPG_MODULES_DIR: z.string().default(AGENT_FILES.modules),
  AGENTPG_MCP_TOKENS_DIR: z.string().default(AGENT_FILES.mcpTokens),
  AGENTPG_WORKSPACE_DIR: z.string().default(WORKSPACE_PATH),
  AGENTPG_SECRETS_DIR: z.string().optional(),
  AGENTPG_POD_NAME: z.string().default(""),
  // What the operator calls the configuration; only told back to it.
  AGENTPG_CONFIG_REVISION: z.string().max(64).default(""),
  AGENTPG_SCHEMA: z.string().optional(),
  DATABASE_URL: z.string().optional(),
  ANTHROPIC_API_KEY: z.string().optional(),
  AGENTPG_INSECURE_DATABASE: flag,
  AGENTPG_INSECURE_NO_AUTH: flag,
  AGENTPG_HOST: z.string().default("0.0.0.0"),
  AGENTPG_PORT: whole(API_PORT, 0, 65_535),
  AGENTPG_METRICS_PORT: whole(METRICS_PORT, 0, 65_535),
  // Connections of this process at most: runs, `sql` tools and wake-ups together.
  AGENTPG_POOL_MAX: whole(GUIDE_POOL_LIMITS.max, 2, 1000),
  AGENTPG_POOL_MIN: whole(GUIDE_POOL_LIMITS.min, 0, 1000),
  AGENTPG_POOL_LIFETIME_SECONDS: whole(GUIDE_POOL_LIMITS.lifetimeSeconds, 1, 86_400),
  AGENTPG_POOL_IDLE_SECONDS: whole(GUIDE_POOL_LIMITS.idleMs / 1000, 1, 86_400),
  AGENTPG_POOLER: z.enum(["None", "Transaction"]).default("None"),
  AGENTPG_DRAIN_SECONDS: whole(25, 0, 3600),
  AGENTPG_LEAVE_SECONDS: whole(0, 0, 300),
  AGENTPG_LEASE_SECONDS: whole(6, 2, 600),
  AGENTPG_STALL_SECONDS: whole(60, 1, 3600),
  AGENTPG_LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal"]).default("info"),
  ...TRACING_ENVIRONMENT,
});

export type Environment = z.infer<typeof environment>;

export interface RuntimeConfig {
  agent: AgentConfig;
  /** Changes with the contents of agent.json: the first 12 hex digits of its SHA-256. */
  revision: string;
  env: Environment;
}

/** What is wrong with the configuration; the message says what to change. The process ends with exit code 2. */
export class ConfigError extends Error {
  override name = "ConfigError";
}

const problems = (error: z.ZodError): string =>
  error.issues.map((it) => `${it.path.join(".") || "(all)"}: ${it.message}`).join("; ");

/** @throws ConfigError */
export function readEnvironment(env: Record<string, string | undefined>): Environment {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ""));
  const parsed = environment.safeParse(set);
  if (!parsed.success) throw new ConfigError(`environment: ${problems(parsed.error)}`);
  return parsed.data;
}

/** @throws ConfigError */
export function parseAgentConfig(text: string): { agent: AgentConfig; revision: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError("agent.json is not JSON", { cause });
  }
  const parsed = agentConfig.safeParse(json);
  if (!parsed.success) throw new ConfigError(`agent.json: ${problems(parsed.error)}`);
  return { agent: parsed.data, revision: createHash("sha256").update(text).digest("hex").slice(0, 12) };
}

/** @throws ConfigError */
export async function loadConfig(processEnv: Record<string, string | undefined>): Promise<RuntimeConfig> {
  const env = readEnvironment(processEnv);
  const text = await readFile(env.AGENTPG_CONFIG, "utf8").catch((cause) => {
    throw new ConfigError(`cannot read ${env.AGENTPG_CONFIG} (set AGENTPG_CONFIG): ${cause.code ?? cause.message}`, {
      cause,
    });
  });
  const config = { ...parseAgentConfig(text), env };
  if (config.agent.access.source === "none" && !env.AGENTPG_INSECURE_NO_AUTH) {
    throw new ConfigError(
      "access.source is none: anyone could call this agent. Set AGENTPG_INSECURE_NO_AUTH=true if that is meant",
    );
  }
  return config;
}
