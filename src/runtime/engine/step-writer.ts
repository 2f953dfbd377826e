import { setTimeout as sleep } from "node:timers/promises";
import { applySteps, type RunStep, type StepOutcome } from "../../database/runs/apply-steps.ts";
import type { TranscriptDatabase } from "../../database/encryption/transcript-database.ts";
import { isTransient } from "../../database/runs/database.ts";

interface Waiting {
  step: RunStep;
  resolve: (outcome: StepOutcome) => void;
  reject: (error: unknown) => void;
}

const MOST_AT_ONCE = 40;

/**
 * The one lane by which runs are written: while a statement is under way, further steps gather and go together with the next.
 * One run alone waits for nobody; many share a commit, and rows that all of them touch (the spend of the day, the end of the
 * audit chain) are not fought over inside the process.
 */
export class StepWriter {
  readonly #db: TranscriptDatabase;
  readonly #patienceMs: number;
  #waiting: Waiting[] = [];
  #flushing = false;

  /** @param patienceMs how long a write is tried again while the database cannot be reached */
  constructor(db: TranscriptDatabase, patienceMs = 120_000) {
    this.#db = db;
    this.#patienceMs = patienceMs;
  }

  /** Resolves once the step is committed, or refused because the run is no longer ours. */
  write(step: RunStep): Promise<StepOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ step, resolve, reject });
      if (!this.#flushing) void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    this.#flushing = true;
    while (this.#waiting.length) {
      const batch = this.#waiting.splice(0, MOST_AT_ONCE);
      await this.#apply(batch);
    }
    this.#flushing = false;
  }

  async #apply(batch: Waiting[]): Promise<void> {
    try {
      const outcomes = await this.#patiently(batch.map((it) => it.step));
      const byRun = new Map(outcomes.map((it) => [it.run, it]));
      for (const { step, resolve } of batch)
        resolve(byRun.get(step.run) ?? { run: step.run, applied: false, parentAgent: null });
    } catch (error) {
      const [only] = batch;
      if (batch.length === 1 && only) return only.reject(error);
      for (const one of batch) await this.#apply([one]); // one that cannot be stored must not take the others with it
    }
  }

  async #patiently(steps: RunStep[]): Promise<StepOutcome[]> {
    const until = Date.now() + this.#patienceMs;
    for (let delay = 50; ; delay = Math.min(delay * 2, 2000)) {
      try {
        return await applySteps(this.#db, steps);
      } catch (error) {
        if (!isTransient(error) || Date.now() > until) throw error;
        await sleep(delay);
      }
    }
  }
}
