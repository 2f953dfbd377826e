const MINUTE = 60_000;

/** Counts what somebody does, a minute each; of those who began last. */
export class MinuteCounts {
  readonly #limit: number;
  readonly #most: number;
  readonly #seen = new Map<string, { times: number; since: number }>();

  /** @param most of whom it knows at a time */
  constructor(limit: number, most = 10_000) {
    this.#limit = limit;
    this.#most = most;
  }

  count(who: string): void {
    const now = Date.now();
    const seen = this.#seen.get(who);
    if (seen && now - seen.since < MINUTE) {
      seen.times++;
      return;
    }
    this.#seen.delete(who);
    this.#seen.set(who, { times: 1, since: now });
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > this.#most && oldest !== undefined) this.#seen.delete(oldest);
  }

  /** Seconds until it may be done again; undefined when it may be now. */
  blockedFor(who: string): number | undefined {
    const seen = this.#seen.get(who);
    if (!seen || seen.times < this.#limit) return undefined;
    const left = seen.since + MINUTE - Date.now();
    return left > 0 ? Math.ceil(left / 1000) : undefined;
  }
}
