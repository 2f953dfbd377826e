import type { AgentConfig } from "../../api/agent-config.ts";
import type { RunStep } from "../../database/runs/apply-steps.ts";
import type { QueuedRun } from "../../database/runs/run.ts";
import { auditLine } from "./audit.ts";

const NOTHING = {
  messages: [],
  started: [],
  finished: [],
  children: [],
  response: null,
  stopReason: null,
};

/** Ends a queued run, which nobody holds: it is refused when the run was claimed meanwhile. */
export function cancelledBeforeWork(
  config: AgentConfig,
  run: { id: string; sessionId: string; userId: string },
): RunStep {
  return {
    ...NOTHING,
    run: run.id,
    fence: 0,
    step: 1,
    from: "pending",
    to: "cancelled",
    iteration: 0,
    tokens: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
    usd: 0,
    error: null,
    audit: [auditLine(config, run, "run.cancelled", { success: false, queued: true })],
  };
}

/** Ends a claimed run whose conversation nobody can read: put back, it would be claimed again and again. */
export function failedUnread(config: AgentConfig, run: QueuedRun, worker: string): RunStep {
  const error = { type: "transcript_unreadable", message: "this conversation cannot be read: ask your administrator" };
  const { id, fence, step, iteration, tokens, usd } = run;
  return {
    ...NOTHING,
    run: id,
    fence,
    worker,
    step: step + 1,
    from: "running",
    to: "failed",
    iteration,
    tokens,
    usd,
    error,
    audit: [auditLine(config, run, "run.failed", { success: false, error: error.type })],
  };
}
