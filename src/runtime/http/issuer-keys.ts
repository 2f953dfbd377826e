import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { Watched } from "../../process/watched.ts";

export class IssuerUnreachable extends Error {}

/** The keys that tokens are checked with. */
export interface IssuerKeys {
  /** Settles when the keys are good enough to check with. Undefined: they are now. @throws IssuerUnreachable */
  fresh(): Promise<void> | undefined;
  /** Another one whenever the keys have changed: what was checked with the ones before is to be checked again. */
  readonly generation: number;
  readonly find: JWTVerifyGetKey;
  start(): Promise<unknown>;
  stop(): void;
}

type Keys = ReturnType<typeof createLocalJWKSet>;
const MAX_BYTES = 1 << 20;

/** Milliseconds. */
export interface KeyAges {
  /** From then on newer ones are fetched on the side. */
  refresh: number;
  /** From then on nothing is checked before newer ones are there: a key that was taken back is good for no longer. */
  stale: number;
  /** An issuer that takes longer cannot be reached: nobody waits for it while the last keys are good. */
  patience: number;
  /** While the issuer cannot be reached, the last keys are good for so long. */
  unreachable: number;
  /** From the end of a fetch that failed, or that brought no such key, to the next one. */
  coolDown: number;
  /** For each request to the issuer. */
  timeOut: number;
}
export const KEY_AGES: KeyAges = {
  refresh: 25_000,
  stale: 50_000,
  patience: 2000,
  unreachable: 600_000,
  coolDown: 5000,
  timeOut: 10_000,
};

async function fetchJson<T>(url: string, timeOut: number): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeOut), redirect: "error" });
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  const text = await response.text();
  if (text.length > MAX_BYTES) throw new Error(`${url}: the answer is too long`);
  return JSON.parse(text) as T;
}

/** The keys of an issuer, found by its discovery document. */
export class DiscoveredKeys implements IssuerKeys {
  generation = 0;
  readonly #issuer: string;
  readonly #ages: KeyAges;
  #keysAt: string | undefined;
  #keys: Keys | undefined;
  #seen = "";
  /** When the keys were asked for that are there; when a fetch ended; and when one ended in vain. By the monotonic clock. */
  #fetchedAt = -Infinity;
  #triedAt = -Infinity;
  #failedAt = -Infinity;
  #fetching: Promise<void> | undefined;
  /** Over when the fetch is, or when it takes too long to wait for. */
  #patience: Promise<void> | undefined;

  constructor(issuer: string, ages: KeyAges = KEY_AGES) {
    this.#issuer = issuer;
    this.#ages = ages;
  }

  async #fetch(): Promise<void> {
    const at = performance.now();
    this.#keysAt ??= await this.#discover();
    const jwks = await fetchJson<JSONWebKeySet>(this.#keysAt, this.#ages.timeOut).catch((error: unknown) => {
      this.#keysAt = undefined; // the issuer may have moved them
      throw error;
    });
    const seen = JSON.stringify(jwks);
    if (seen !== this.#seen) {
      this.#keys = createLocalJWKSet(jwks);
      this.#seen = seen;
      this.generation++;
    }
    this.#fetchedAt = at;
  }

  async #discover(): Promise<string> {
    type Document = { jwks_uri?: string; issuer?: string };
    const url = `${this.#issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const document = await fetchJson<Document>(url, this.#ages.timeOut);
    if (document.issuer !== this.#issuer || !document.jwks_uri)
      throw new Error("the issuer's discovery document names another issuer or no keys");
    return document.jwks_uri;
  }

  /** One fetch at a time, for all who wait. */
  #refetch(): Promise<void> {
    if (this.#fetching) return this.#fetching;
    this.#fetching = this.#fetch()
      .catch((error: unknown) => {
        this.#failedAt = performance.now();
        throw error;
      })
      .finally(() => {
        this.#triedAt = performance.now();
        this.#fetching = undefined;
      });
    const inTime = wait(this.#ages.patience, undefined, { ref: false });
    this.#patience = Promise.race([this.#fetching, inTime]).catch(() => {});
    return this.#fetching;
  }

  fresh(): Promise<void> | undefined {
    const now = performance.now();
    const age = now - this.#fetchedAt;
    if (age < this.#ages.refresh) return undefined;
    if (age >= this.#ages.unreachable) return this.#any();
    const sinceFailure = now - this.#failedAt;
    if (sinceFailure >= this.#ages.coolDown) void this.#refetch(); // a failure is told by #failedAt
    // Where it failed lately the issuer cannot be reached, and nobody waits to learn that once more.
    return age < this.#ages.stale || sinceFailure < this.#ages.stale ? undefined : this.#patience;
  }

  /** Without good keys there is nothing but to wait for some. */
  async #any(): Promise<void> {
    try {
      await this.#refetch();
    } catch (cause) {
      throw new IssuerUnreachable("the token issuer cannot be reached", { cause });
    }
  }

  readonly find: JWTVerifyGetKey = async (header, token) => {
    try {
      return await (this.#keys as Keys)(header, token);
    } catch (error) {
      const unknown = (error as { code?: string }).code === "ERR_JWKS_NO_MATCHING_KEY";
      const justTried = !this.#fetching && performance.now() - this.#triedAt < this.#ages.coolDown;
      if (!unknown || justTried) throw error;
      await this.#refetch().catch(() => {});
      return (this.#keys as Keys)(header, token);
    }
  };

  async start(): Promise<void> {}
  stop(): void {}
}

/** The keys of the cluster's own issuer, which the operator publishes as a file. */
export class PublishedKeys implements IssuerKeys {
  generation = 0;
  readonly #watched: Watched<JSONWebKeySet>;
  #keys: Keys | undefined;

  constructor(directory: string) {
    const read = async () => JSON.parse(await readFile(join(directory, "jwks.json"), "utf8")) as JSONWebKeySet;
    this.#watched = new Watched(read, 2000);
    this.#watched.onChange((jwks) => {
      this.#keys = createLocalJWKSet(jwks);
      this.generation++;
    });
  }

  fresh(): Promise<void> | undefined {
    return this.#keys ? undefined : this.#first();
  }
  async #first(): Promise<void> {
    await this.#watched.refresh();
    if (!this.#keys)
      throw new IssuerUnreachable("the token issuer's keys are not there yet", { cause: this.#watched.problem });
  }

  readonly find: JWTVerifyGetKey = (header, token) => (this.#keys as Keys)(header, token);

  start(): Promise<unknown> {
    return this.#watched.start();
  }
  stop(): void {
    this.#watched.stop();
  }
}
