import type { TranscriptDatabase } from "../../database/encryption/transcript-database.ts";
import { applySteps, type RunStep, type StepOutcome } from "../../database/runs/apply-steps.ts";
import { Lane } from "./lane.ts";

const MOST_AT_ONCE = 64;

/** The one lane by which runs are written: the spend of the day and the end of the audit chain are rows that all of them touch. */
export class StepWriter {
  readonly #lane: Lane<RunStep, StepOutcome>;

  /** @param patienceMs how long a write is tried again while the database cannot be reached */
  constructor(db: TranscriptDatabase, patienceMs = 120_000) {
    this.#lane = new Lane({
      key: (step: RunStep) => step.run,
      most: MOST_AT_ONCE,
      gatherFrom: 500,
      patienceMs,
      async apply(steps) {
        const byRun = new Map((await applySteps(db, steps)).map((it) => [it.run, it]));
        return steps.map(({ run }) => byRun.get(run) ?? { run, applied: false, parentAgent: null });
      },
    });
  }

  /** Resolves once the step is committed, or refused because the run is no longer ours. */
  write(step: RunStep): Promise<StepOutcome> {
    return this.#lane.write(step);
  }
}
