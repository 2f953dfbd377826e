import type { AgentConfig } from "../../api/agent-config.ts";
import { BROKER_CA_FILE } from "../../api/broker-config.ts";
import type { Environment } from "../config.ts";
import { readSecretFile } from "../../process/secret-files.ts";
import { Watched } from "../../process/watched.ts";

/** The certificates by which the tenant's key broker is known, PEM; undefined where the model is called without one, or without TLS. */
export function brokerCertificates({ brokerUrl }: AgentConfig, env: Environment): Watched<string> | undefined {
  if (!brokerUrl?.startsWith("https:")) return undefined;
  return new Watched(() => readSecretFile(env.AGENTPG_BROKER_TOKEN_DIR, BROKER_CA_FILE));
}
