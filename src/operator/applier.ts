import { applyNeeded, covers, settled, withAppliedHash, type ApplyReason } from "../kubernetes/apply.ts";
import type { KubernetesClient } from "../kubernetes/client.ts";
import { isConflict } from "../kubernetes/errors.ts";
import { keyOf, type KubernetesObject } from "../kubernetes/object.ts";
import type { Caches } from "./caches.ts";
import { ForeignObject, isForeign } from "./foreign-object.ts";
import { found } from "./found.ts";
import type { OwnedObject } from "./owned-object.ts";

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
      const live = await this.#live({ kind, object });
      const reason = applyNeeded(hashed, live);
      if (!reason && live) this.#caches.owned(kind)?.shrink(settled(live));
      const done = reason && (await this.#write({ kind, object: hashed }, reason));
      if (done) applied.push({ kind: kind.kind, name: object.metadata.name, reason: done });
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
    return this.#get({ kind, object });
  }

  #get({ kind, object: { metadata } }: OwnedObject): Promise<KubernetesObject | undefined> {
    return found(this.#client.get<KubernetesObject>(kind, metadata.name, metadata.namespace));
  }

  async #write({ kind, object }: OwnedObject, reason: ApplyReason): Promise<ApplyReason | undefined> {
    if (reason === "missing") return this.#create({ kind, object });
    const { name, namespace } = object.metadata;
    const written = await this.#client.apply<KubernetesObject>(kind, object, { fieldManager: this.#fieldManager });
    // What others added to a list with keys (a port of a Service) stays theirs in an apply; a merge patch replaces lists whole.
    const right = covers(object, written)
      ? written
      : await this.#client.mergePatch<KubernetesObject>(kind, name, namespace, object);
    this.#learn({ kind, object }, right);
    return reason;
  }

  /** The next look sees what was written; thousands of objects that wait for theirs need not be in memory whole. */
  #learn({ kind, object }: OwnedObject, written: KubernetesObject): void {
    this.#caches.owned(kind)?.learn(covers(object, written) ? settled(written) : written);
  }

  /** What is missing from the cache may still be there: as somebody else's, without its label, or because the cache is behind. */
  async #create({ kind, object }: OwnedObject): Promise<ApplyReason | undefined> {
    try {
      const options = { fieldManager: this.#fieldManager, onlyCreate: true };
      this.#learn({ kind, object }, await this.#client.apply<KubernetesObject>(kind, object, options));
      return "missing";
    } catch (error) {
      if (!isConflict(error)) throw error;
      const live = await this.#get({ kind, object });
      if (!live) throw error; // gone again: the next try makes it
      if (isForeign(live, this.#fieldManager)) throw new ForeignObject(kind, live, { cause: error });
      const reason = applyNeeded(object, live);
      return reason && this.#write({ kind, object }, reason);
    }
  }
}
