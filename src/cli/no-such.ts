import type { KubernetesClient } from "../kubernetes/client.ts";
import type { ResourceKind } from "../kubernetes/resource-kind.ts";
import { nearest } from "../runtime/tools/mcp/nearest.ts";

/** The error for an object that is not there, with the names that are most like its. */
export async function noSuch(
  client: KubernetesClient,
  kind: ResourceKind,
  name: string,
  namespace?: string,
  cause?: unknown,
): Promise<Error> {
  const all = await client.list(kind, namespace).catch(() => []);
  const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
  const names = nearest(
    name,
    all.map((it) => it.metadata.name),
  );
  const hint = names.length > 0 ? `; there is ${names.join(", ")}` : `; there is no ${kind.kind} at all${where}`;
  return new Error(`there is no ${kind.kind} ${name}${where}${hint}`, { cause });
}
