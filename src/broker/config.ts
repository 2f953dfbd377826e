import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AGENT_FILES } from "../api/agent-config.ts";
import { type BrokerConfig, brokerConfig } from "../api/broker-config.ts";
import { ConfigError, type Environment, readEnvironment } from "../runtime/config.ts";

/** The file with what the operator tells the broker, unless `AGENTPG_CONFIG` names another. */
const CONFIG_FILE = join(AGENT_FILES.config, "broker.json");

export interface BrokerSettings {
  config: BrokerConfig;
  /** The environment means the same as the runtime's; most of it is not looked at. */
  env: Environment;
}

/** @throws ConfigError that names the field */
export function parseBrokerConfig(text: string): BrokerConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError("broker.json is not JSON", { cause });
  }
  const parsed = brokerConfig.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((it) => `${it.path.join(".") || "(all)"}: ${it.message}`);
  throw new ConfigError(`broker.json: ${problems.join("; ")}`);
}

/** @throws ConfigError */
export async function loadBrokerSettings(processEnv: Record<string, string | undefined>): Promise<BrokerSettings> {
  const env = readEnvironment({ ...processEnv, AGENTPG_CONFIG: processEnv["AGENTPG_CONFIG"] || CONFIG_FILE });
  const text = await readFile(env.AGENTPG_CONFIG, "utf8").catch((cause) => {
    throw new ConfigError(`cannot read ${env.AGENTPG_CONFIG} (set AGENTPG_CONFIG): ${cause.code ?? cause.message}`, {
      cause,
    });
  });
  return { config: parseBrokerConfig(text), env };
}
