import { applyNeeded, withAppliedHash, type ApplyReason } from "../kubernetes/apply.ts";
import type { KubernetesClient } from "../kubernetes/client.ts";
import { isConflict, isNotFound } from "../kubernetes/errors.ts";
import { keyOf, type KubernetesObject } from "../kubernetes/object.ts";
import type { Caches } from "./caches.ts";
import { MANAGED_BY } from "./labels.ts";
import type { OwnedObject } from "./owned-object.ts";

/** An object under a name of ours that is not ours: it is never overwritten. */
export class ForeignObject extends Error {
  override readonly name = "ForeignObject";
}

export interface Applied {
  kind: string;
  name: string;
  reason: ApplyReason;
}

/** Writes owned objects, each only when it differs. */
export class Applier {
  readonly #client: KubernetesClient;
  readonly #caches: Caches;
  readonly #fieldManager: string;

  constructor(client: KubernetesClient, caches: Caches, fieldManager: string) {
    this.#client = client;
    this.#caches = caches;
    this.#fieldManager = fieldManager;
  }

  /** Applies what differs, in order; returns what was written and why. @throws ForeignObject */
  async apply(wanted: readonly OwnedObject[]): Promise<Applied[]> {
    const applied: Applied[] = [];
    for (const { kind, object } of wanted) {
      const hashed = withAppliedHash(object);
      const reason = applyNeeded(hashed, await this.#live({ kind, object }));
      if (!reason) continue;
      await this.#write({ kind, object: hashed }, reason);
      applied.push({ kind: kind.kind, name: object.metadata.name, reason });
    }
    return applied;
  }

  /** Deletes the labelled objects of a kind in a namespace that `unwanted` picks. */
  async prune(
    kind: OwnedObject["kind"],
    namespace: string,
    unwanted: (object: KubernetesObject) => boolean,
  ): Promise<string[]> {
    const there = this.#caches.owned(kind)?.inNamespace(namespace) ?? [];
    const stale = there.filter((it) => !it.metadata.deletionTimestamp && unwanted(it));
    for (const it of stale) await this.#client.delete(kind, it.metadata.name, namespace, it.metadata.uid);
    return stale.map((it) => it.metadata.name);
  }

  async #live({ kind, object }: OwnedObject): Promise<KubernetesObject | undefined> {
    const cache = this.#caches.owned(kind);
    if (cache) return cache.get(keyOf(object));
    return this.#client.get(kind, object.metadata.name, object.metadata.namespace).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
  }

  async #write({ kind, object }: OwnedObject, reason: ApplyReason): Promise<void> {
    try {
      // What is missing from the cache may still be there without our label: then it is somebody else's, and 409 tells.
      const options = { fieldManager: this.#fieldManager, force: reason !== "missing" };
      this.#caches.owned(kind)?.learn(await this.#client.apply(kind, object, options));
    } catch (error) {
      if (!isConflict(error) || reason !== "missing") throw error;
      const { name, namespace } = object.metadata;
      const live = await this.#client.get(kind, name, namespace);
      if (live.metadata.labels?.["app.kubernetes.io/managed-by"] === MANAGED_BY) throw error; // ours, the cache is behind
      throw new ForeignObject(
        `${kind.kind} ${keyOf(object)} exists and is not the operator's: delete or rename it, or label it app.kubernetes.io/managed-by=${MANAGED_BY} to hand it over`,
        { cause: error },
      );
    }
  }
}
