import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { SECRET } from "../../src/kubernetes/resource-kind.ts";
import { allObjects } from "../support/all-objects.ts";

/** Namespaces that somebody else made and gave to a Tenant: they are given back, with the labels that they have. */
const HANDED_OVER = new Set(["acme", "globex", "umbrella"]);

const isOurs = ({ metadata: { name, labels = {} } }: KubernetesObject): boolean =>
  labels["app.kubernetes.io/part-of"] === "agentpg" ||
  labels["app.kubernetes.io/managed-by"] === "agentpg-operator" ||
  name.endsWith(".agentpg.dev");

/** Objects of the chart with its definitions, and what its operator made, as `Kind name`. */
export async function remains(client: KubernetesClient): Promise<string[]> {
  const lists = [...(await allObjects(client)).values()].map(
    (text) => JSON.parse(text) as { kind: string; items: KubernetesObject[] },
  );
  return [...lists, { kind: "SecretList", items: await client.list<KubernetesObject>(SECRET) }].flatMap((list) => {
    const kind = list.kind.replace(/List$/, "");
    return list.items
      .filter((it) => isOurs(it) && !(kind === "Namespace" && HANDED_OVER.has(it.metadata.name)))
      .map(({ metadata }) => `${kind} ${metadata.name}`);
  });
}
