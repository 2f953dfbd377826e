import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { SECRET } from "../../src/kubernetes/resource-kind.ts";
import { CREATED_ANNOTATION, TENANT_UID_LABEL } from "../../src/operator/labels.ts";
import { allObjects } from "../support/all-objects.ts";

const isOurs = ({ metadata: { name, labels = {} } }: KubernetesObject): boolean =>
  labels["app.kubernetes.io/part-of"] === "agentpg" ||
  labels["app.kubernetes.io/managed-by"] === "agentpg-operator" ||
  name.endsWith(".agentpg.dev");

/** A namespace that somebody else made and gave to a Tenant: it is given back, with the labels that it has. */
const wasHandedOver = (kind: string, { metadata: { labels, annotations } }: KubernetesObject): boolean =>
  kind === "Namespace" && labels?.[TENANT_UID_LABEL] !== undefined && !annotations?.[CREATED_ANNOTATION];

/** Objects of the chart with its definitions, and what its operator made, as `Kind name`. */
export async function remains(client: KubernetesClient): Promise<string[]> {
  const lists = [...(await allObjects(client)).values()].map(
    (text) => JSON.parse(text) as { kind: string; items: KubernetesObject[] },
  );
  return [...lists, { kind: "SecretList", items: await client.list<KubernetesObject>(SECRET) }].flatMap((list) => {
    const kind = list.kind.replace(/List$/, "");
    return list.items
      .filter((it) => isOurs(it) && !wasHandedOver(kind, it))
      .map(({ metadata }) => `${kind} ${metadata.name}`);
  });
}
