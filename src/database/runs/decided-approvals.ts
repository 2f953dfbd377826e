import type { Queryable } from "./database.ts";

/** What was decided on a tool call that waited for a person. */
export interface DecidedApproval {
  toolUseId: string;
  tool: string;
  /** null: nobody decided in time, and no worker has acted on that yet. */
  approved: boolean | null;
  /** Who decided; null: nobody did in time. */
  by: string | null;
}

/** The calls of a run on which nobody is waited for any more, but for those that ended with their run. */
export function decidedApprovals(db: Queryable, runId: string): Promise<DecidedApproval[]> {
  // When nobody has decided, a call that was made began anew after its time was over, and one that was not ended then.
  return db.query<DecidedApproval>(
    "decided_approvals",
    `SELECT tool_use_id AS "toolUseId", name AS tool, approval_by AS by,
            CASE WHEN approval_at IS NOT NULL THEN state <> 'failed' OR finished_at > approval_at
                 WHEN state <> 'awaiting_approval' THEN started_at >= approval_until END AS approved
     FROM tool_executions
     WHERE run_id = $1 AND (approval_at IS NOT NULL OR approval_until <= coalesce(finished_at, now()))
     ORDER BY coalesce(approval_at, approval_until), tool_use_id`,
    [runId],
  );
}
