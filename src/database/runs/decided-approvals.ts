import { reasonInDenial } from "../../api/denial.ts";
import { executionPlace } from "../encryption/place.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";

/** What was decided on a tool call that waited for a person. */
export interface DecidedApproval {
  toolUseId: string;
  tool: string;
  /** null: nobody decided in time, and no worker has acted on that yet. */
  approved: boolean | null;
  /** Who decided; null: nobody did in time. */
  by: string | null;
  /** Why it was denied, where somebody said so. */
  reason: string | null;
}

interface Row extends Omit<DecidedApproval, "reason"> {
  /** What the model read, when a person denied the call. */
  denial: string | null;
}

/** The calls of a run on which nobody is waited for any more, but for those that ended with their run. @throws TranscriptUnreadable */
export async function decidedApprovals(db: TranscriptDatabase, runId: string): Promise<DecidedApproval[]> {
  // When nobody has decided, a call that was made began anew after its time was over, and one that was not ended then.
  const rows = await db.query<Row>(
    "decided_approvals",
    `SELECT tool_use_id AS "toolUseId", name AS tool, approval_by AS by,
            CASE WHEN approval_at IS NOT NULL THEN state <> 'failed' OR finished_at > approval_at
                 WHEN state <> 'awaiting_approval' THEN started_at >= approval_until END AS approved,
            CASE WHEN state = 'failed' AND finished_at <= approval_at THEN output END AS denial
     FROM tool_executions
     WHERE run_id = $1 AND (approval_at IS NOT NULL OR approval_until <= coalesce(finished_at, now()))
     ORDER BY coalesce(approval_at, approval_until), tool_use_id`,
    [runId],
  );
  return rows.map(({ denial, ...it }) => {
    const text = denial === null ? "" : db.transcripts.readText(denial, executionPlace("output", runId, it.toolUseId));
    return { ...it, reason: reasonInDenial(text) };
  });
}
