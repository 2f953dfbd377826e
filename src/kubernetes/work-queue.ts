export interface QueueOptions {
  /** First back-off of a failing key, in milliseconds. */
  baseDelayMs?: number;
  /** Longest back-off of a failing key, in milliseconds. */
  maxDelayMs?: number;
  random?: () => number;
}

/** `low`: the backlog of a start and looks at what is settled; it waits while there is anything fresh. */
export type Priority = "high" | "low";

/** What a queue tells of itself; see {@link ControllerMetrics}. Times in milliseconds. */
export interface QueueObserver {
  added?(): void;
  taken?(waitedMs: number): void;
  finished?(workedMs: number): void;
}

/** A clock that nobody sets: the machine's own may jump. */
const monotonicNow = (): number => performance.now();

/**
 * Keys to work on, each at most once in the queue and never in two hands at a time; a key that is added while it
 * is in work comes again afterwards. Fresh changes go before the startup backlog (`low`), and lift a key out of it.
 */
export class WorkQueue {
  readonly #queues: Record<Priority, Set<string>> = { high: new Set(), low: new Set() };
  readonly #addedAt = new Map<string, number>();
  readonly #active = new Map<string, { since: number; priority: Priority }>();
  readonly #again = new Map<string, Priority>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { timer: NodeJS.Timeout; at: number }>();
  readonly #waiting: (() => void)[] = [];
  readonly #options: Required<QueueOptions>;
  #observer: QueueObserver = {};
  #closed = false;

  constructor({ baseDelayMs = 200, maxDelayMs = 30_000, random = Math.random }: QueueOptions = {}) {
    this.#options = { baseDelayMs, maxDelayMs, random };
  }

  observe(observer: QueueObserver): void {
    this.#observer = observer;
  }

  /** Keys that wait to be worked on. */
  get depth(): number {
    return this.#addedAt.size;
  }

  /** Keys of one priority that wait. */
  waiting(priority: Priority): number {
    return this.#queues[priority].size;
  }

  get active(): number {
    return this.#active.size;
  }

  /** How long each key in work has been so, in milliseconds. */
  activeMs(now = monotonicNow()): number[] {
    return [...this.#active.values()].map(({ since }) => now - since);
  }

  add(key: string, priority: Priority = "high"): void {
    if (this.#closed) return;
    this.#cancelTimer(key);
    const queued = this.#addedAt.has(key);
    if (this.#active.has(key)) {
      if (priority === "high" || !this.#again.has(key)) this.#again.set(key, priority);
      return;
    }
    if (priority === "high") this.#queues.low.delete(key);
    if (queued && this.#queues.high.has(key)) return;
    this.#queues[priority].add(key);
    if (queued) return; // only lifted
    this.#addedAt.set(key, monotonicNow());
    this.#observer.added?.();
    this.#waiting.shift()?.();
  }

  /** Adds the key after a while, unless it comes earlier by itself. */
  addAfter(key: string, ms: number, priority: Priority = "high"): void {
    if (this.#closed) return;
    const at = monotonicNow() + ms;
    const pending = this.#timers.get(key);
    if (pending && pending.at <= at) return;
    this.#cancelTimer(key);
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key, priority);
    }, ms);
    timer.unref();
    this.#timers.set(key, { timer, at });
  }

  /** The next key, or undefined once the queue is closed. Call {@link done} with it afterwards. */
  async take(): Promise<string | undefined> {
    for (;;) {
      if (this.#closed) return undefined;
      const key = this.#next("high") ?? this.#next("low");
      if (key !== undefined) return key;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #next(priority: Priority): string | undefined {
    const [key] = this.#queues[priority];
    if (key === undefined) return undefined;
    this.#queues[priority].delete(key);
    const since = monotonicNow();
    this.#observer.taken?.(since - (this.#addedAt.get(key) ?? since));
    this.#addedAt.delete(key);
    this.#active.set(key, { since, priority });
    return key;
  }

  done(key: string): void {
    const began = this.#active.get(key);
    if (began) this.#observer.finished?.(monotonicNow() - began.since);
    this.#active.delete(key);
    const again = this.#again.get(key);
    this.#again.delete(key);
    if (again) this.add(key, again);
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
    this.addAfter(key, delay, this.#active.get(key)?.priority); // the backlog stays backlog
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
