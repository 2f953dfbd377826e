import { denialText } from "../../api/denial.ts";
import { executionPlace } from "../encryption/place.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";
import { writeAuditRecord } from "../encryption/audit-input.ts";
import { auditLink } from "../lifecycle/audit-link.ts";
import { storableText } from "./storable.ts";

/** A tool call that waits for a person. */
export interface PendingApproval {
  runId: string;
  sessionId: string;
  /** Whose session it is. */
  user: string;
  toolUseId: string;
  tool: string;
  /** What the tool will be called with. */
  input: unknown;
  requestedAt: string;
  expiresAt: string;
}

interface PendingRow {
  runId: string;
  sessionId: string;
  user: string;
  toolUseId: string;
  tool: string;
  input: unknown;
  requestedAt: Date;
  expiresAt: Date;
}

const PENDING = `
SELECT t.run_id AS "runId", r.session_id AS "sessionId", s.user_id AS "user", t.tool_use_id AS "toolUseId", t.name AS tool, t.input,
       t.started_at AS "requestedAt", t.approval_until AS "expiresAt"
FROM tool_executions t JOIN runs r ON r.id = t.run_id JOIN sessions s ON s.id = r.session_id
WHERE t.state = 'awaiting_approval' AND t.approval_until > now() AND r.state = 'awaiting_approval' AND r.agent = $1`;

/** A place in a list of calls that wait. */
export interface ApprovalPlace {
  runId: string;
  toolUseId: string;
}

export interface ApprovalPaging {
  limit: number;
  /** Those after this call; null: from the start. */
  after: ApprovalPlace | null;
}

const paged = (first: number): string => `
  AND ($${first}::uuid IS NULL OR (t.started_at, t.run_id, t.tool_use_id) >
    (SELECT started_at, run_id, tool_use_id FROM tool_executions WHERE run_id = $${first} AND tool_use_id = $${first + 1}))
ORDER BY t.started_at, t.run_id, t.tool_use_id LIMIT $${first + 2}`;

function shown(db: TranscriptDatabase, row: PendingRow): PendingApproval {
  return {
    ...row,
    input: db.transcripts.readJson(row.input, executionPlace("input", row.runId, row.toolUseId)),
    requestedAt: row.requestedAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
  };
}

/** What of this agent waits for this user, the oldest first. @throws TranscriptUnreadable */
export async function approvalsOfUser(
  db: TranscriptDatabase,
  agent: string,
  userId: string,
  { limit, after }: ApprovalPaging,
): Promise<PendingApproval[]> {
  const text = `${PENDING} AND s.user_id = $2 ${paged(3)}`;
  const values = [agent, userId, after?.runId ?? null, after?.toolUseId ?? null, limit];
  const rows = await db.query<PendingRow>("approvals_of_user", text, values);
  return rows.map((row) => shown(db, row));
}

/** What of this agent waits for anybody, the oldest first. @throws TranscriptUnreadable */
export async function approvalsOfAgent(
  db: TranscriptDatabase,
  agent: string,
  { limit, after }: ApprovalPaging,
): Promise<PendingApproval[]> {
  const values = [agent, after?.runId ?? null, after?.toolUseId ?? null, limit];
  const rows = await db.query<PendingRow>("approvals_of_agent", `${PENDING} ${paged(2)}`, values);
  return rows.map((row) => shown(db, row));
}

/** What of a run waits for a person. @throws TranscriptUnreadable */
export async function approvalsOfRun(db: TranscriptDatabase, agent: string, runId: string): Promise<PendingApproval[]> {
  const text = `${PENDING} AND t.run_id = $2 ORDER BY t.tool_use_id`;
  return (await db.query<PendingRow>("approvals_of_run", text, [agent, runId])).map((row) => shown(db, row));
}

export interface Decision {
  runId: string;
  toolUseId: string;
  approved: boolean;
  by: string;
  /** Of a denial, for the model. */
  reason?: string | undefined;
  audit: { at: string; record: string };
}

export type DecisionOutcome = "decided" | "decided_before" | "decided_otherwise" | "expired" | "not_found";

const DECIDE = `
WITH decided AS (
  UPDATE tool_executions SET
    state = CASE WHEN $3::boolean THEN 'approved' ELSE 'failed' END, approval_at = now(), approval_by = $4,
    is_error = CASE WHEN $3::boolean THEN NULL ELSE true END, output = CASE WHEN $3::boolean THEN NULL ELSE $5 END,
    finished_at = CASE WHEN $3::boolean THEN NULL ELSE now() END
  WHERE run_id = $1 AND tool_use_id = $2 AND state = 'awaiting_approval' AND approval_until > now()
    AND EXISTS (SELECT 1 FROM runs WHERE id = $1 AND state IN ('running', 'awaiting_approval') AND NOT cancel_requested)
  RETURNING run_id
), ${auditLink("$6", "$7", "EXISTS (SELECT 1 FROM decided)")}
SELECT EXISTS (SELECT 1 FROM decided) AS decided, t.approval_at AS "approvalAt",
  -- An approved call that failed looks like a denied one, but for its times.
  t.state <> 'failed' OR t.finished_at > t.approval_at AS approved
FROM tool_executions t WHERE t.run_id = $1 AND t.tool_use_id = $2 AND t.approval_until IS NOT NULL`;

interface DecidedRow {
  decided: boolean;
  approvalAt: Date | null;
  approved: boolean;
}

/** Decides on a call that waits; the first decision counts. */
export async function decideApproval(db: TranscriptDatabase, decision: Decision): Promise<DecisionOutcome> {
  const { runId, toolUseId, approved, by, reason, audit } = decision;
  const stored = db.transcripts.writeText(storableText(denialText(reason)), executionPlace("output", runId, toolUseId));
  const record = writeAuditRecord(db.transcripts, audit.record);
  const [row] = await db.query<DecidedRow>("decide_approval", DECIDE, [
    runId,
    toolUseId,
    approved,
    by,
    stored,
    audit.at,
    record,
  ]);
  if (!row) return "not_found";
  if (row.decided) return "decided";
  if (row.approvalAt === null) return "expired";
  return row.approved === approved ? "decided_before" : "decided_otherwise";
}
