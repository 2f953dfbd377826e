import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { keyOf, type KubernetesObject } from "../../src/kubernetes/object.ts";
import type { ResourceKind } from "../../src/kubernetes/resource-kind.ts";

/** All events of one kind as the API server sends them, from now on; keeps nothing. */
export class Watcher<T extends KubernetesObject> {
  readonly #listeners = new Set<(object: T) => void>();
  readonly #ending = new AbortController();

  /** @throws unless the API server takes the watch */
  static async start<T extends KubernetesObject>(client: KubernetesClient, kind: ResourceKind): Promise<Watcher<T>> {
    const watcher = new Watcher<T>();
    const { resourceVersion } = await client.listPage(kind, { limit: 1 });
    void watcher.#follow(client, kind, resourceVersion);
    return watcher;
  }

  /** Calls `listener` with each object that is there anew or changed. Returns how to stop that. */
  on(listener: (object: T) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves once each of these keys was seen `good` after this call. */
  until(keys: readonly string[], good: (object: T) => boolean, onDone?: (left: number) => void): Promise<void> {
    const left = new Set(keys);
    return new Promise((resolve) => {
      const off = this.on((object) => {
        if (!left.has(keyOf(object)) || !good(object)) return;
        left.delete(keyOf(object));
        onDone?.(left.size);
        if (left.size > 0) return;
        off();
        resolve();
      });
    });
  }

  stop(): Promise<void> {
    this.#ending.abort();
    return Promise.resolve();
  }

  async #follow(client: KubernetesClient, kind: ResourceKind, from: string): Promise<void> {
    const { signal } = this.#ending;
    let resourceVersion = from;
    while (!signal.aborted) {
      try {
        for await (const { type, object } of client.watch(
          kind,
          { resourceVersion, allowWatchBookmarks: true },
          signal,
        )) {
          resourceVersion = object.metadata.resourceVersion ?? resourceVersion;
          if (type === "ADDED" || type === "MODIFIED") for (const it of this.#listeners) it(object as T);
        }
      } catch (error) {
        if (!signal.aborted) throw error; // a benchmark that goes blind is no benchmark: it ends
      }
    }
  }
}
