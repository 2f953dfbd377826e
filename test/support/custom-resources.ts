import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { KubernetesClient } from "../../src/kubernetes/client.ts";
import { loadKubeConfig } from "../../src/kubernetes/kube-config.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { CUSTOM_RESOURCE_DEFINITION } from "../../src/kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { eventually } from "./eventually.ts";

const crds = join(import.meta.dirname, "..", "..", "crds");

/**
 * Installs the committed CRDs and waits until the API server serves them.
 * @param folder with the CRDs of another release
 */
export async function installDefinitions(client: KubernetesClient, folder = crds): Promise<void> {
  for (const file of ["tenants.agentpg.dev.yaml", "agents.agentpg.dev.yaml"]) {
    await client.apply(
      CUSTOM_RESOURCE_DEFINITION,
      parse(readFileSync(join(folder, file), "utf8")) as KubernetesObject,
      {
        fieldManager: "test",
      },
    );
  }
  await eventually(
    async () => Promise.all([client.list(TENANT), client.list(AGENT)]),
    () => true,
    30,
  );
}

export function connect(kubeconfig: string): { client: KubernetesClient; close(): Promise<void> } {
  const config = loadKubeConfig(kubeconfig);
  return { client: new KubernetesClient(config), close: () => config.close() };
}
