import type { KubernetesClient } from "../../src/kubernetes/client.ts";

interface ResourceList {
  resources: { name: string; kind: string; verbs: string[] }[];
}

/** All that can be listed of a cluster, as text by the path of its list; but for Secrets. */
export async function allObjects(client: KubernetesClient): Promise<Map<string, string>> {
  const { groups } = await client.request<{ groups: { versions: { groupVersion: string }[] }[] }>("GET", "/apis");
  const versions = ["/api/v1", ...groups.flatMap((group) => group.versions.map((it) => `/apis/${it.groupVersion}`))];
  const found = new Map<string, string>();
  for (const version of versions) {
    const { resources } = await client.request<ResourceList>("GET", version);
    for (const { name, kind, verbs } of resources) {
      if (kind === "Secret" || name.includes("/") || !verbs.includes("list")) continue;
      const path = `${version}/${name}`;
      const list = await client.request<unknown>("GET", path);
      found.set(path, JSON.stringify(list));
    }
  }
  return found;
}
