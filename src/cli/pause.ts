import { KubernetesClient } from "../kubernetes/client.ts";
import { isNotFound } from "../kubernetes/errors.ts";
import { TENANT } from "../operator/caches.ts";
import { type ClusterOptions, openConfig } from "./open-config.ts";
import { noSuch } from "./no-such.ts";

/** `agentpg pause | resume TENANT…`: the operator leaves them alone, or works on them again. Their agents serve all the while. */
export async function pause(names: string[], paused: boolean, options: ClusterOptions): Promise<void> {
  const config = openConfig(options);
  try {
    const client = new KubernetesClient(config);
    for (const name of names) {
      await client.mergePatch(TENANT, name, undefined, { spec: { paused } }).catch(async (error: unknown) => {
        throw isNotFound(error) ? await noSuch(client, TENANT, name, undefined, error) : error;
      });
      const now = paused ? "paused: the operator changes nothing of it; its agents go on" : "resumed";
      process.stdout.write(`Tenant ${name} is ${now}\n`);
    }
  } finally {
    await config.close();
  }
}
