import { z } from "zod";
import type { Condition } from "../api/resource.ts";
import type { KubernetesClient } from "../kubernetes/client.ts";
import { nextConditions } from "../kubernetes/conditions.ts";
import { isConflict, isInvalid, isNotFound } from "../kubernetes/errors.ts";
import type { EventRecorder } from "../kubernetes/events.ts";
import type { Reflector, Unreadable } from "../kubernetes/reflector.ts";

export const UNREADABLE = "SpecUnreadable";

/** What is wrong with it, and what to do. Values are not told: zod names what it wanted, not what it got. */
function whyUnreadable({ object, error }: Unreadable): string {
  const issue = error instanceof z.ZodError ? error.issues[0] : undefined;
  const field = issue ? `${issue.path.join(".")} (${issue.message})` : "this object";
  const kind = object.kind?.toLowerCase();
  const { name, namespace, deletionTimestamp } = object.metadata;
  const edit = `kubectl edit ${kind} ${name}${namespace ? ` -n ${namespace}` : ""}`;
  const meanwhile = deletionTimestamp ? "its deletion waits" : "what runs goes on as it is";
  return `this operator cannot read ${field}, which another version wrote: correct it (${edit}), or run the operator and the CRDs of that version. Until then nothing is changed for it, and ${meanwhile}`;
}

/**
 * Says in the condition Ready of an object that it cannot be read. All else of its status is given back as it was, under the
 * manager of its controller: once it can be read again, nothing is left of this.
 */
export async function reportUnreadable(
  { client, events }: { client: KubernetesClient; events: EventRecorder },
  cache: Pick<Reflector, "kind" | "unreadable">,
  key: string,
  fieldManager: string,
): Promise<void> {
  const unreadable = cache.unreadable.get(key);
  if (!unreadable) return;
  const { object } = unreadable;
  const { name, namespace, generation = 0, resourceVersion } = object.metadata;
  const status = (object["status"] ?? {}) as { conditions?: unknown };
  const before = (Array.isArray(status.conditions) ? status.conditions : []) as Condition[];
  const told = before.find(({ type }) => type === "Ready");
  const message = whyUnreadable(unreadable);
  if (told?.reason === UNREADABLE && told.message === message && told.observedGeneration === generation) return;
  const wanted = { type: "Ready", status: "False", reason: UNREADABLE, message } as const;
  const ready = nextConditions(before, [wanted], generation, new Date().toISOString().replace(/\.\d+Z$/, "Z"));
  const metadata = { name, ...(namespace ? { namespace } : {}), ...(resourceVersion ? { resourceVersion } : {}) };
  const conditions = [...ready, ...before.filter(({ type }) => type !== "Ready")];
  try {
    const next = { metadata, status: { ...status, conditions } };
    await client.apply(cache.kind, next, { fieldManager, subresource: "status" });
    const about = { apiVersion: cache.kind.apiVersion, kind: cache.kind.kind, metadata: object.metadata };
    await events.record(about, "Warning", UNREADABLE, message);
  } catch (error) {
    // Changed or gone since: the watch brings it. Refused: the API server has no place for it, and the log has it.
    if (!isConflict(error) && !isNotFound(error) && !isInvalid(error)) throw error;
  }
}
