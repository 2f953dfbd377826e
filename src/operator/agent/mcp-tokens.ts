import type { Agent } from "../../api/agent.ts";
import type { Tenant } from "../../api/tenant.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import { isNotFound } from "../../kubernetes/errors.ts";
import { SECRET } from "../../kubernetes/resource-kind.ts";
import { BROKER_TLS_SECRET, DATABASE_SECRET, TRANSCRIPT_KEYS_SECRET } from "../shared-names.ts";

type Secret = { data?: Record<string, string> };
type SecretKey = { name: string; key: string };

/** The token of one tool, and where it is. */
export interface McpToken {
  tool: string;
  ref: SecretKey;
}

export const mcpTokensOf = (agent: Agent): McpToken[] =>
  agent.spec.tools.flatMap(({ name, mcp }) => (mcp?.tokenSecretRef ? [{ tool: name, ref: mcp.tokenSecretRef }] : []));

/** What an Agent must not send to a server of its choice, whoever writes it. */
const ownSecrets = (tenant: Tenant): string[] => [
  DATABASE_SECRET,
  TRANSCRIPT_KEYS_SECRET,
  BROKER_TLS_SECRET,
  tenant.spec.anthropic.apiKeySecretRef.name,
];

/** The first token that cannot be had, and why. Values are looked at for emptiness only and go nowhere. */
export async function mcpTokenProblem(
  client: KubernetesClient,
  agent: Agent,
  tenant: Tenant,
): Promise<string | undefined> {
  const { namespace = "" } = agent.metadata;
  for (const { tool, ref } of mcpTokensOf(agent)) {
    const field = `spec.tools: ${tool}.mcp.tokenSecretRef`;
    if (ownSecrets(tenant).includes(ref.name))
      return `${field}: Secret ${ref.name} is not for MCP servers: put the server's token in a Secret of its own`;
    const secret = await client.get<Secret>(SECRET, ref.name, namespace).catch(unlessMissing);
    const why = missing(secret, ref);
    if (why)
      return `${field}: ${why}: kubectl -n ${namespace} create secret generic ${ref.name} --from-file=${ref.key}=<file with the token>, or correct the reference`;
  }
  return undefined;
}

function unlessMissing(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}

function missing(secret: Secret | undefined, { name, key }: SecretKey): string | undefined {
  if (!secret) return `Secret ${name} does not exist`;
  const value = secret.data?.[key];
  if (value === undefined) return `Secret ${name} has no key ${key}`;
  return Buffer.from(value, "base64").toString().trim() === "" ? `Secret ${name}, key ${key}, is empty` : undefined;
}
