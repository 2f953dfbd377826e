import { type ClaimedRun, NO_TOKENS } from "../../database/runs/run.ts";

/** A run that has just begun here, and has done nothing yet. */
export const freshRun = (
  run: Pick<ClaimedRun, "id" | "sessionId" | "userId"> &
    Partial<Pick<ClaimedRun, "variables" | "deadline">> & { trace?: string | null | undefined },
): ClaimedRun => ({
  variables: null,
  deadline: 0,
  ...run,
  trace: run.trace ?? null,
  fence: 1,
  step: 0,
  iteration: 0,
  depth: 0,
  state: "running",
  batchGroup: null,
  batchId: null,
  cancelRequested: false,
  tokens: { ...NO_TOKENS },
  usd: 0,
});
