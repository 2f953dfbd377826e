import type { ClaimedRun } from "../../database/runs/run.ts";
import type { RunChannel } from "./events.ts";
import { StopWork } from "./stop.ts";

/** The work on one run in this process. */
export interface Job {
  run: ClaimedRun;
  channel: RunChannel;
  abort: AbortController;
  done: Promise<void>;
}

/** The runs that this process works on. */
export class Jobs {
  readonly #jobs = new Map<string, Job>();
  readonly #expected = new Map<string, Set<() => void>>();

  get size(): number {
    return this.#jobs.size;
  }
  get(runId: string): Job | undefined {
    return this.#jobs.get(runId);
  }

  add(job: Job): void {
    const { id } = job.run;
    this.stop(id, "lost"); // this process has lost it and claimed it again before it noticed
    this.#jobs.set(id, job);
    for (const arrived of this.#expected.get(id) ?? []) arrived();
  }

  remove(job: Job): void {
    if (this.#jobs.get(job.run.id) === job) this.#jobs.delete(job.run.id);
  }

  stop(runId: string, why: StopWork["why"]): void {
    this.#jobs.get(runId)?.abort.abort(new StopWork(why));
  }
  stopAll(why: StopWork["why"]): void {
    for (const id of this.#jobs.keys()) this.stop(id, why);
  }

  /** Settles when all that is at work now is done. */
  async done(): Promise<void> {
    await Promise.all([...this.#jobs.values()].map((it) => it.done));
  }

  /** Waits until this process starts on the run, or for `ms`. */
  async appears(runId: string, ms: number, signal: AbortSignal): Promise<void> {
    const waiting = this.#expected.get(runId) ?? new Set();
    this.#expected.set(runId, waiting);
    await new Promise<void>((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        waiting.delete(finish);
        if (!waiting.size) this.#expected.delete(runId);
        signal.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      waiting.add(finish);
      signal.addEventListener("abort", finish, { once: true });
    });
  }
}
