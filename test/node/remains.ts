import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { SECRET } from "../../src/kubernetes/resource-kind.ts";
import { TENANT } from "../../src/operator/caches.ts";
import { CREATED_ANNOTATION, TENANT_UID_LABEL } from "../../src/operator/labels.ts";
import { allObjects } from "../support/all-objects.ts";
import { eventually } from "../support/eventually.ts";
import type { Desk } from "./documented-commands.ts";

const isOurs = ({ metadata: { name, labels = {} } }: KubernetesObject): boolean =>
  labels["app.kubernetes.io/part-of"] === "agentpg" ||
  labels["app.kubernetes.io/managed-by"] === "agentpg-operator" ||
  name.endsWith(".agentpg.dev");

/** A namespace that somebody else made and gave to a Tenant: it is given back, with the labels that it has. */
const wasHandedOver = (kind: string, { metadata: { labels, annotations } }: KubernetesObject): boolean =>
  kind === "Namespace" && labels?.[TENANT_UID_LABEL] !== undefined && !annotations?.[CREATED_ANNOTATION];

/** Objects of the chart with its definitions, and what its operator made, as `Kind name`. */
async function remains(client: KubernetesClient): Promise<string[]> {
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

const none = (left: string[]) => left.length === 0;

/** Follows the page that takes all of it away, and waits until nothing is left. @throws Error that names what is */
export async function removeEverything(desk: Desk, client: KubernetesClient): Promise<void> {
  // Those that docs.test.ts has deleted: one that goes between two commands of the page would be an error.
  const going = async () =>
    (await client.list<KubernetesObject>(TENANT))
      .filter(({ metadata }) => metadata.deletionTimestamp)
      .map(({ metadata }) => metadata.name);
  await eventually(going, none, 60);
  await desk.follow("docs/operations.md", "Remove everything, the tenants' data too");
  await eventually(() => remains(client), none, 60, 1000);
}
