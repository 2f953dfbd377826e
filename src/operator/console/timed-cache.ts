interface Entry<T> {
  value: Promise<T>;
  until: number;
}

/** Answers that are believed for a moment. Who asks while one is on its way gets the same; a failure is not kept. */
export class TimedCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #ms: number;
  readonly #most: number;
  readonly #now: () => number;

  /** @param ms how long an answer is believed @param most how many are kept, the newest */
  constructor(ms: number, most = 5_000, now: () => number = () => performance.now()) {
    this.#ms = ms;
    this.#most = most;
    this.#now = now;
  }

  get(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#entries.get(key);
    if (known && known.until > this.#now()) return known.value;
    const entry = { value: ask(), until: this.#now() + this.#ms };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.value.catch(() => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#most && oldest !== undefined) this.#entries.delete(oldest);
    return entry.value;
  }
}
