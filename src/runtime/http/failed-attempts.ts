const MINUTE = 60_000;

/** Counts by client address who comes with tokens that are no good, a minute each; of the most recent addresses. */
export class FailedAttempts {
  readonly #limit: number;
  readonly #addresses: number;
  readonly #seen = new Map<string, { failed: number; since: number }>();

  constructor(limit = 120, addresses = 10_000) {
    this.#limit = limit;
    this.#addresses = addresses;
  }

  count(address: string): void {
    const now = Date.now();
    const seen = this.#seen.get(address);
    if (seen && now - seen.since < MINUTE) {
      seen.failed++;
      return;
    }
    this.#seen.delete(address);
    this.#seen.set(address, { failed: 1, since: now });
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > this.#addresses && oldest !== undefined) this.#seen.delete(oldest);
  }

  /** Seconds until the address may try again; undefined when it may now. */
  blockedFor(address: string): number | undefined {
    const seen = this.#seen.get(address);
    if (!seen || seen.failed < this.#limit) return undefined;
    const left = seen.since + MINUTE - Date.now();
    return left > 0 ? Math.ceil(left / 1000) : undefined;
  }
}
