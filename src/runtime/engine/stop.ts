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
