import type { AgentConfig } from "../../api/agent-config.ts";
import { NOTHING_DONE, type RunStep } from "../../database/runs/apply-steps.ts";
import { NO_TOKENS, type QueuedRun, type RunError } from "../../database/runs/run.ts";
import { auditLine } from "./audit.ts";

const ofAnother = ({ agent }: { agent?: string }, error: RunError | null) => ({
  ...(agent === undefined ? {} : { agent }),
  ...(error ? { error: error.type } : {}),
});

/**
 * Ends a queued run, which nobody holds: it is refused when the run was claimed meanwhile.
 * @param run.agent left out: this one
 */
export function cancelledBeforeWork(
  config: AgentConfig,
  run: { id: string; sessionId: string; userId: string; agent?: string },
  error: RunError | null = null,
): RunStep {
  return {
    ...NOTHING_DONE,
    run: run.id,
    fence: 0,
    step: 1,
    from: "pending",
    to: "cancelled",
    iteration: 0,
    tokens: NO_TOKENS,
    usd: 0,
    error,
    audit: [auditLine(config, run, "run.cancelled", { success: false, queued: true, ...ofAnother(run, error) })],
  };
}

/** What the client is told when a conversation, or a call, cannot be decrypted. */
export const UNREADABLE: RunError = {
  type: "transcript_unreadable",
  message: "this conversation cannot be read: ask your administrator",
};

/** Ends a claimed run whose conversation nobody can read: put back, it would be claimed again and again. */
export function failedUnread(config: AgentConfig, run: QueuedRun, worker: string): RunStep {
  const { id, fence, step, iteration, tokens, usd } = run;
  return {
    ...NOTHING_DONE,
    run: id,
    fence,
    worker,
    step: step + 1,
    from: "running",
    to: "failed",
    iteration,
    tokens,
    usd,
    error: UNREADABLE,
    audit: [auditLine(config, run, "run.failed", { success: false, error: UNREADABLE.type })],
  };
}
