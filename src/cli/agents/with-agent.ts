import { KubernetesClient } from "../../kubernetes/client.ts";
import type { AgentClient } from "../../runtime/client.ts";
import { openAgent, requestToken } from "../agent-access.ts";
import { type ClusterOptions, openConfig } from "../open-config.ts";

/** Which agent of which tenant, and who speaks to it. */
export interface AgentOptions extends ClusterOptions {
  namespace: string;
  /** The service account of the namespace that speaks. */
  serviceAccount: string;
  /** An environment variable with a bearer token that is used instead, for tenants with their own issuer. */
  tokenEnv?: string;
}

/** @throws Error that names the option when the variable is not set */
function tokenOf({ tokenEnv }: AgentOptions): string | undefined {
  if (tokenEnv === undefined) return undefined;
  const token = process.env[tokenEnv];
  if (!token) throw new Error(`--token-env: the environment variable ${tokenEnv} is not set`);
  return token;
}

/** Does something with an agent's API, and closes what leads to it. @throws Error when it has no ready pod */
export async function withAgent<T>(
  name: string,
  options: AgentOptions,
  use: (agent: AgentClient) => Promise<T>,
): Promise<T> {
  const given = tokenOf(options);
  const config = openConfig(options);
  try {
    const client = new KubernetesClient(config);
    const { namespace, serviceAccount } = options;
    const token = () => (given ? Promise.resolve(given) : requestToken(client, namespace, serviceAccount));
    const open = await openAgent({ client, config }, namespace, name, token);
    try {
      return await use(open.agent);
    } finally {
      await open.close();
    }
  } finally {
    await config.close();
  }
}
