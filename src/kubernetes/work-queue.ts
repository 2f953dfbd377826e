export interface QueueOptions {
  /** First back-off of a failing key, in milliseconds. */
  baseDelayMs?: number;
  /** Longest back-off of a failing key, in milliseconds. */
  maxDelayMs?: number;
  random?: () => number;
}

/**
 * Keys to work on, each at most once in the queue and never in two hands at a time; a key that is added while it
 * is in work comes again afterwards. Fresh changes go before the startup backlog (`low`).
 */
export class WorkQueue {
  readonly #high: string[] = [];
  readonly #low: string[] = [];
  readonly #queued = new Map<string, number>(); // key → when it was added
  readonly #active = new Set<string>();
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { timer: NodeJS.Timeout; at: number }>();
  readonly #waiting: (() => void)[] = [];
  readonly #options: Required<QueueOptions>;
  #closed = false;

  constructor({ baseDelayMs = 200, maxDelayMs = 30_000, random = Math.random }: QueueOptions = {}) {
    this.#options = { baseDelayMs, maxDelayMs, random };
  }

  /** Keys that wait to be worked on. */
  get depth(): number {
    return this.#queued.size;
  }

  get active(): number {
    return this.#active.size;
  }

  /** Milliseconds that the longest-waiting key has waited. */
  oldestMs(now = Date.now()): number {
    let oldest = now;
    for (const at of this.#queued.values()) oldest = Math.min(oldest, at);
    return now - oldest;
  }

  add(key: string, priority: "high" | "low" = "high"): void {
    if (this.#closed) return;
    this.#cancelTimer(key);
    if (this.#active.has(key)) return void this.#again.add(key);
    if (this.#queued.has(key)) return;
    this.#queued.set(key, Date.now());
    (priority === "high" ? this.#high : this.#low).push(key);
    this.#waiting.shift()?.();
  }

  /** Adds the key after a while, unless it comes earlier by itself. */
  addAfter(key: string, ms: number): void {
    if (this.#closed) return;
    const at = Date.now() + ms;
    const pending = this.#timers.get(key);
    if (pending && pending.at <= at) return;
    this.#cancelTimer(key);
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key);
    }, ms);
    timer.unref();
    this.#timers.set(key, { timer, at });
  }

  /** The next key, or undefined once the queue is closed. Call {@link done} with it afterwards. */
  async take(): Promise<string | undefined> {
    for (;;) {
      if (this.#closed) return undefined;
      const key = this.#high.shift() ?? this.#low.shift();
      if (key !== undefined) {
        this.#queued.delete(key);
        this.#active.add(key);
        return key;
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  done(key: string): void {
    this.#active.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }

  /** Puts a failed key back after its own exponential back-off with jitter; returns the delay in milliseconds. */
  retry(key: string, atLeastMs = 0): number {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const { baseDelayMs, maxDelayMs, random } = this.#options;
    const delay = Math.max(
      atLeastMs,
      Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(failures - 1, 20)) * (0.75 + random() / 4),
    );
    this.addAfter(key, delay);
    return delay;
  }

  /** Forgets the failures of a key that went well. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** No more keys are given out; waiting takers get undefined. */
  close(): void {
    this.#closed = true;
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #cancelTimer(key: string): void {
    const pending = this.#timers.get(key);
    if (!pending) return;
    clearTimeout(pending.timer);
    this.#timers.delete(key);
  }
}
