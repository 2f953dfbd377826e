/** How long what has no limit of its own waits where the API server asks to, in milliseconds. */
const MOST_WAIT_MS = 30_000;

/**
 * Until when a request may take, and a signal that ends it then, or when `parent` aborts. `AbortSignal.any` and `timeout` do the same
 * for several times the price, and leave timers behind that keep the whole request in memory.
 */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #at: number;
  readonly #parent: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onAbort = () => this.#controller.abort(this.#parent?.reason);

  /** @param timeoutMs 0: none */
  constructor(timeoutMs: number, parent?: AbortSignal) {
    this.#at = performance.now() + (timeoutMs || MOST_WAIT_MS);
    this.#parent = parent;
    if (timeoutMs) {
      const message = `no answer within ${timeoutMs} ms`;
      this.#timer = setTimeout(() => this.#controller.abort(new DOMException(message, "TimeoutError")), timeoutMs);
      this.#timer.unref();
    }
    if (parent?.aborted) this.#onAbort();
    else parent?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether it ends before so many milliseconds are over. */
  isBefore(ms: number): boolean {
    return performance.now() + ms > this.#at;
  }

  /** To be called when the request is over. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#parent?.removeEventListener("abort", this.#onAbort);
  }
}
