import { applyNeeded, withAppliedHash } from "../../kubernetes/apply.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import type { OwnedObject } from "../owned-object.ts";

/**
 * Writes the Secret if it differs, in one request, and only if it still is what was read: an old leader that wakes up must not
 * put its password over that of a new one. Gives what is there afterwards, and whether somebody had changed it.
 * @throws ApiError 409 when somebody else wrote it since
 */
export async function publishSecret(
  client: KubernetesClient,
  { kind, object }: OwnedObject,
  live: KubernetesObject | undefined,
  fieldManager: string,
): Promise<{ live: KubernetesObject; drifted: boolean }> {
  const wanted = withAppliedHash(object);
  const reason = applyNeeded(wanted, live);
  if (!live) {
    const { apiVersion, kind: name } = kind;
    const created = await client.create(kind, { apiVersion, kind: name, ...wanted }, object.metadata.namespace);
    return { live: created, drifted: false };
  }
  if (!reason) return { live, drifted: false };
  const { resourceVersion } = live.metadata;
  const metadata = { ...wanted.metadata, ...(resourceVersion ? { resourceVersion } : {}) };
  const written = await client.apply(kind, { ...wanted, metadata }, { fieldManager });
  return { live: written, drifted: reason === "drifted" };
}
