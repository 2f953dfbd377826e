import type { Logger } from "../telemetry/log.ts";
import { ApiError, TerminalError } from "./errors.ts";
import type { ControllerMetrics } from "./metrics.ts";
import { WorkQueue } from "./work-queue.ts";

/** Done, or come again after a while (milliseconds) although nothing changed. Throw to be retried with back-off. */
export type ReconcileResult = { requeueAfterMs?: number };

export interface ControllerOptions {
  name: string;
  /** Brings the world for one key to what is wanted. May be called again at any time; never twice at once for a key. */
  reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult>;
  concurrency?: number;
  logger: Logger;
  metrics: ControllerMetrics;
}

/** Workers over a queue of keys. */
export class Controller {
  readonly queue = new WorkQueue();
  readonly #options: ControllerOptions & { concurrency: number };
  #hasCaughtUp = false;

  constructor(options: ControllerOptions) {
    this.#options = { concurrency: 4, ...options };
    options.metrics.observeController(options.name, this.queue, this.#options.concurrency);
  }

  /** Works until `signal` aborts, then lets what is under way finish. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.queue.close(), { once: true });
    if (signal.aborted) this.queue.close();
    this.#noteCaughtUp();
    const workers = Array.from({ length: this.#options.concurrency }, () => this.#work(signal));
    await Promise.all(workers);
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (;;) {
      const key = await this.queue.take();
      if (key === undefined) return;
      await this.#reconcile(key, signal);
      this.queue.done(key);
      this.#noteCaughtUp();
    }
  }

  #noteCaughtUp(): void {
    if (this.#hasCaughtUp || this.queue.depth > 0 || this.queue.active > 0) return;
    this.#hasCaughtUp = true;
    this.#options.metrics.caughtUp(this.#options.name);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<void> {
    const { name, logger, metrics } = this.#options;
    const finish = metrics.startReconcile(name);
    try {
      const { requeueAfterMs } = await this.#options.reconcile(key, signal);
      this.queue.forget(key);
      if (requeueAfterMs !== undefined) this.queue.addAfter(key, requeueAfterMs);
      finish(requeueAfterMs === undefined ? "success" : "requeue_after");
    } catch (error) {
      finish("error");
      if (signal.aborted) return;
      if (error instanceof TerminalError) {
        this.queue.forget(key);
        metrics.failedForGood(name);
        return logger.error({ controller: name, key, err: error }, "given up until the object changes");
      }
      const delay = this.queue.retry(key, error instanceof ApiError ? error.retryAfterMs : 0);
      metrics.retried(name);
      logger.warn({ controller: name, key, retryInMs: Math.round(delay), err: error }, "reconcile failed");
    }
  }
}
