import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../telemetry/log.ts";
import { type KubernetesClient, watchError } from "./client.ts";
import { ApiError, ApiUnreachable, isGone } from "./errors.ts";
import { keyOf, type KubernetesObject } from "./object.ts";
import type { ResourceKind } from "./resource-kind.ts";

export interface ReflectorOptions<T> {
  client: KubernetesClient;
  kind: ResourceKind;
  logger: Logger;
  labelSelector?: string;
  /** Parses an object at the edge; what it throws away (`undefined`) is not cached. */
  parse?: (object: KubernetesObject) => T | undefined;
  /** Words for a failure that does not pass by itself. It is logged as an error instead of a warning. */
  explain?: (error: unknown) => string | undefined;
  /** Silence after which a watch counts as stalled, in milliseconds. Bookmarks come about every minute. */
  stallMs?: number;
}

const DEFAULT_STALL_MS = 120_000;
/** A watch that ended sooner and brought nothing counts as a failure: a server that closes each at once is not to be asked without pause. */
const SHORT_WATCH_MS = 1_000;
const MOST_WAIT_MS = 30_000;

/** A clock that nobody sets: the machine's own may jump, and freshness must not come or go with it. */
const monotonicNow = (): number => performance.now();

/** An object that is there and that `parse` threw on, and what it threw. */
export interface Unreadable {
  object: KubernetesObject;
  error: unknown;
}

export type Change<T> =
  | { type: "set"; key: string; object: T; previous: T | undefined }
  | { type: "deleted"; key: string; previous: T };

/**
 * A list-watch cache of one kind. It never gives up: failures are retried with jittered back-off, HTTP 410 lists again,
 * and a watchdog ends a watch from which nothing (not even a bookmark) has come. client-node's own informer
 * stops for good on a failed list and can stall in silence (its issues #596, #958, #1933), hence this one.
 */
export class Reflector<T extends KubernetesObject = KubernetesObject> {
  readonly kind: ResourceKind;
  readonly #options: ReflectorOptions<T>;
  readonly #objects = new Map<string, T>();
  readonly #unreadable = new Map<string, Unreadable>();
  readonly #namespaces = new Map<string, Map<string, T>>();
  readonly #listeners: ((change: Change<T>) => void)[] = [];
  readonly #unreadableListeners: ((key: string) => void)[] = [];
  #resourceVersion: string | undefined;
  #synced = false;
  #heardAt = Number.NEGATIVE_INFINITY;

  constructor(options: ReflectorOptions<T>) {
    this.kind = options.kind;
    this.#options = options;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  /** Those of one namespace, without a look at all others. */
  inNamespace(namespace: string): T[] {
    return [...(this.#namespaces.get(namespace)?.values() ?? [])];
  }

  /** Of objects that are there and cannot be read: whoever finds one missing here must not take it for deleted. */
  get unreadable(): ReadonlyMap<string, Unreadable> {
    return this.#unreadable;
  }

  /** Whether the first list is in. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Resolves with the first list. @throws when `signal` aborts before */
  async waitForSync(signal: AbortSignal): Promise<void> {
    while (!this.#synced) await sleep(20, undefined, { signal });
  }

  /** Whether the cache has heard from the API server lately enough to be believed. That we asked does not count. */
  fresh(now = monotonicNow()): boolean {
    return this.#synced && now - this.#heardAt < 2 * this.#stallMs;
  }

  /** Since the API server was last heard of; undefined before the first list. */
  silenceSeconds(now = monotonicNow()): number | undefined {
    return this.#synced ? (now - this.#heardAt) / 1000 : undefined;
  }

  /** `listener` is called in order for each change; it must not throw or block. Deletions missed while away are reported too. */
  onChange(listener: (change: Change<T>) => void): void {
    this.#listeners.push(listener);
  }

  /** `listener` is called for each version of an object that cannot be read; it must not throw or block. */
  onUnreadable(listener: (key: string) => void): void {
    this.#unreadableListeners.push(listener);
  }

  /**
   * Takes in what the API server answered to a write of this process: the next look sees it, and its event from the watch is no
   * news to listeners. What the watch has already gone past is left to the watch: the object may be gone since.
   */
  learn(written: KubernetesObject): void {
    const { resourceVersion } = written.metadata;
    const known = this.#objects.get(keyOf(written))?.metadata.resourceVersion;
    if (isLater(resourceVersion, this.#resourceVersion) && isLater(resourceVersion, known)) this.#set(written, false);
  }

  /** The same of a deletion by this process. Listeners hear of it now; an event from the watch of before may bring it back until it tells of the end. */
  forget({ metadata }: T): void {
    const key = keyOf({ metadata });
    if (this.#objects.get(key)?.metadata.uid === metadata.uid) this.#remove(key);
  }

  /** Keeps `less` in place of the object of the same version. No news to listeners. */
  shrink(less: T): void {
    const key = keyOf(less);
    if (this.#objects.get(key)?.metadata.resourceVersion === less.metadata.resourceVersion) this.#keep(key, less);
  }

  get #stallMs(): number {
    return this.#options.stallMs ?? DEFAULT_STALL_MS;
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const began = monotonicNow();
      try {
        if (this.#resourceVersion === undefined) await this.#relist(signal);
        await this.#follow(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (isGone(error)) this.#resourceVersion = undefined;
        failures = monotonicNow() - began >= Math.min(MOST_WAIT_MS, this.#stallMs) ? 1 : failures + 1;
        this.#report(failures, error);
        await sleep(pauseMs(failures, error), undefined, { signal }).catch(() => {});
      }
    }
  }

  #report(failures: number, err: unknown): void {
    const { logger, explain } = this.#options;
    const problem = explain?.(err);
    const fields = { kind: this.kind.kind, failures, err };
    if (problem === undefined) logger.warn(fields, "list-watch failed; trying again");
    else logger.error(fields, problem);
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const { client, labelSelector } = this.#options;
    const seen = new Set<string>();
    let version = "";
    for await (const page of client.pages(this.kind, undefined, { labelSelector }, signal)) {
      for (const item of page.items) {
        seen.add(keyOf(item));
        this.#set(item);
      }
      version = page.resourceVersion;
    }
    for (const key of this.#objects.keys()) if (!seen.has(key)) this.#remove(key); // a Map may lose keys while it is walked
    for (const key of this.#unreadable.keys()) if (!seen.has(key)) this.#unreadable.delete(key);
    this.#resourceVersion = version;
    this.#synced = true;
    this.#heardAt = monotonicNow();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const stalled = new AbortController();
    const began = monotonicNow();
    let events = 0;
    let watchdog: NodeJS.Timeout | undefined;
    const arm = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => stalled.abort(new Error(`nothing heard for ${this.#stallMs} ms`)), this.#stallMs);
    };
    const heard = () => {
      this.#heardAt = monotonicNow();
      arm();
    };
    arm(); // the request itself may be swallowed
    const query = {
      resourceVersion: this.#resourceVersion,
      allowWatchBookmarks: true,
      labelSelector: this.#options.labelSelector,
      timeoutSeconds: 300 + Math.floor(Math.random() * 300), // the server ends it; spread, so that not all come back at once
    };
    try {
      for await (const event of this.#options.client.watch(
        this.kind,
        query,
        AbortSignal.any([signal, stalled.signal]),
        heard,
      )) {
        heard();
        events++;
        if (event.type === "ERROR") throw watchError(event.object);
        if (event.type === "DELETED") {
          this.#unreadable.delete(keyOf(event.object));
          this.#remove(keyOf(event.object));
        } else if (event.type !== "BOOKMARK") this.#set(event.object);
        this.#resourceVersion = event.object.metadata.resourceVersion;
      }
    } finally {
      clearTimeout(watchdog);
    }
    if (events === 0 && monotonicNow() - began < SHORT_WATCH_MS && !signal.aborted)
      throw new ApiUnreachable(`the watch of ${this.kind.plural} was closed at once`);
  }

  #set(raw: KubernetesObject, tell = true): void {
    const key = keyOf(raw);
    const previous = this.#objects.get(key);
    if (previous && previous.metadata.resourceVersion === raw.metadata.resourceVersion) return;
    raw.apiVersion ??= this.kind.apiVersion; // the items of a list come without
    raw.kind ??= this.kind.kind;
    delete raw.metadata["managedFields"]; // half of an object's size, and nothing here reads it
    const object = this.#options.parse ? this.#parse(raw) : (raw as T);
    if (object !== undefined) this.#unreadable.delete(key);
    if (object === undefined) {
      this.#remove(key);
      if (this.#unreadable.has(key)) for (const listener of this.#unreadableListeners) listener(key);
      return;
    }
    this.#keep(key, object);
    if (tell) this.#tell({ type: "set", key, object, previous });
  }

  #keep(key: string, object: T): void {
    this.#objects.set(key, object);
    const { namespace = "" } = object.metadata;
    const neighbours = this.#namespaces.get(namespace);
    if (neighbours) neighbours.set(key, object);
    else this.#namespaces.set(namespace, new Map([[key, object]]));
  }

  #parse(raw: KubernetesObject): T | undefined {
    try {
      return this.#options.parse?.(raw);
    } catch (error) {
      this.#options.logger.error(
        { kind: this.kind.kind, key: keyOf(raw), err: error },
        "cannot read this object; it is left alone",
      );
      this.#unreadable.set(keyOf(raw), { object: raw, error });
      return undefined;
    }
  }

  #remove(key: string): void {
    const previous = this.#objects.get(key);
    if (previous === undefined) return;
    this.#objects.delete(key);
    const { namespace = "" } = previous.metadata;
    this.#namespaces.get(namespace)?.delete(key);
    if (this.#namespaces.get(namespace)?.size === 0) this.#namespaces.delete(namespace);
    this.#tell({ type: "deleted", key, previous });
  }

  #tell(change: Change<T>): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** Resource versions of one kind are numbers that grow, however long (KEP-5504). */
function isLater(version = "", than = ""): boolean {
  return version.length === than.length ? version > than : version.length > than.length;
}

/** Exponential with jitter, and never sooner than the server asked for. */
function pauseMs(failures: number, error: unknown): number {
  const own = Math.min(MOST_WAIT_MS, 200 * 2 ** Math.min(failures, 8)) * (0.5 + Math.random() / 2);
  return Math.max(own, (error instanceof ApiError && error.retryAfterMs) || 0);
}
