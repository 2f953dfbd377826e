import type { RunStep } from "../../database/runs/apply-steps.ts";
import type { RunError } from "../../database/runs/run.ts";

/** Why work on a run ends before the model is done; the reason of the run's AbortSignal. */
export class StopWork extends Error {
  override name = "StopWork";
  readonly why: "cancelled" | "timeout" | "handback" | "lost";
  constructor(why: StopWork["why"]) {
    super(why);
    this.why = why;
  }
}

/** The run is to wait, and nobody works on it meanwhile; thrown by whatever finds out. */
export class ParkRun extends Error {
  override name = "ParkRun";
  readonly change: ParkChange;
  constructor(change: ParkChange) {
    super(`the run waits: ${change.to}`);
    this.change = change;
  }
}
/** `running` with `wakeSeconds`: a snooze. */
export type ParkChange = Pick<RunStep, "wakeSeconds" | "batchGroup" | "batchId"> & {
  to: "running" | "awaiting_batch" | "awaiting_approval" | "awaiting_agent";
};

/** The run has failed; `type` and `message` are for the client. */
export class RunFailed extends Error {
  override name = "RunFailed";
  readonly type: string;
  constructor(type: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.type = type;
  }
  get forClient(): RunError {
    return { type: this.type, message: this.message };
  }
}
