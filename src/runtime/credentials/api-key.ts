import { hash } from "node:crypto";
import type { AgentConfig } from "../../api/agent-config.ts";
import { BROKER_TOKEN_FILE } from "../../api/broker-config.ts";
import type { Environment } from "../config.ts";
import { bearerToken } from "./bearer-token.ts";
import { readSecretFile } from "../../process/secret-files.ts";
import { Watched } from "../../process/watched.ts";

/** What the model is called with: the API key, or where a key broker has that, the pod's own token for the broker. */
export const modelKeySource = ({ brokerUrl }: AgentConfig, env: Environment): Watched<string> =>
  brokerUrl === undefined ? apiKeySource(env) : bearerToken(env.AGENTPG_BROKER_TOKEN_DIR, BROKER_TOKEN_FILE);

/** The Anthropic API key: a mounted file, a file of the secrets directory, or the environment; in this order of being set. */
function apiKeySource(env: Environment): Watched<string> {
  if (env.AGENTPG_SECRETS_DIR) {
    const directory = env.AGENTPG_SECRETS_DIR;
    return new Watched(() => readSecretFile(directory, "anthropic-api-key"));
  }
  const { ANTHROPIC_API_KEY: fixed } = env;
  if (fixed) return new Watched(async () => fixed, 3_600_000);
  return new Watched(() => readSecretFile(env.AGENTPG_ANTHROPIC_DIR, "api-key"));
}

let last = { secret: "", print: hash("sha256", "", "hex").slice(0, 8) };

/** What may be shown of a secret: the first 8 hex digits of its SHA-256. Asked with every call, mostly of the same one. */
export function fingerprint(secret: string): string {
  if (secret !== last.secret) last = { secret, print: hash("sha256", secret, "hex").slice(0, 8) };
  return last.print;
}
