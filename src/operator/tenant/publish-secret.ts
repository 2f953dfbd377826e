import { applyNeeded, withAppliedHash } from "../../kubernetes/apply.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import { ForeignObject, isForeign } from "../foreign-object.ts";
import type { OwnedObject } from "../owned-object.ts";

/**
 * Writes the Secret if it differs, in one request, and only if it still is what was read: an old leader that wakes up must not
 * put its password over that of a new one. Gives what is there afterwards, and whether somebody had changed it.
 * @throws ForeignObject, ApiError 409 when somebody else wrote it since
 */
export async function publishSecret(
  client: KubernetesClient,
  { kind, object }: OwnedObject,
  live: KubernetesObject | undefined,
  fieldManager: string,
): Promise<{ live: KubernetesObject; drifted: boolean }> {
  if (live && isForeign(live, fieldManager)) throw new ForeignObject(kind, live);
  const wanted = withAppliedHash(object);
  const reason = applyNeeded(wanted, live);
  if (!live) {
    return { live: await client.apply(kind, wanted, { fieldManager, onlyCreate: true }), drifted: false };
  }
  if (!reason) return { live, drifted: false };
  const { resourceVersion } = live.metadata;
  const metadata = { ...wanted.metadata, ...(resourceVersion ? { resourceVersion } : {}) };
  const written = await client.apply(kind, { ...wanted, metadata }, { fieldManager });
  return { live: written, drifted: reason === "drifted" };
}
