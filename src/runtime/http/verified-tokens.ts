import { hash } from "node:crypto";

interface Entry<T> {
  value: T;
  /** Milliseconds since the epoch. */
  until: number;
}

/**
 * What tokens said whose signatures were checked, by the SHA-256 of the token: to check one takes a hundred times as long. All is
 * forgotten when the keys change. The least recently used goes first.
 */
export class VerifiedTokens<T> {
  readonly #size: number;
  readonly #entries = new Map<string, Entry<T>>();
  #generation = 0;

  constructor(size = 10_000) {
    this.#size = size;
  }

  #keep(generation: number): void {
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#entries.clear();
  }

  get(token: string, generation: number): T | undefined {
    this.#keep(generation);
    const key = hash("sha256", token, "base64");
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    if (entry.until <= Date.now()) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** @param generation of the keys before the check began */
  set(token: string, value: T, until: number, generation: number): void {
    this.#keep(generation);
    this.#entries.set(hash("sha256", token, "base64"), { value, until });
    if (this.#entries.size <= this.#size) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
