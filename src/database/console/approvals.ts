import type { ConsoleApproval } from "../../api/console.ts";
import { TranscriptUnreadable } from "../encryption/errors.ts";
import { executionPlace } from "../encryption/place.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";
import { isoTime } from "./time.ts";

/** What the tenant's rows tell of a call that waits. */
export type WaitingCall = Omit<ConsoleApproval, "takesReason">;

interface Row extends Omit<WaitingCall, "input" | "withheld" | "requestedAt" | "expiresAt"> {
  input: unknown;
  bytes: number;
  requestedAt: Date;
  expiresAt: Date;
}

/** A person has to read it. */
const MOST_BYTES = 65_536;

/** Calls of all agents that wait for a person, the oldest first; what they will be called with, as far as it can be shown. */
export async function waitingApprovals(db: TranscriptDatabase, limit: number): Promise<WaitingCall[]> {
  const rows = await db.query<Row>(
    "console_approvals",
    `SELECT t.run_id AS "runId", t.tool_use_id AS "toolUseId", r.session_id AS "sessionId", left(r.agent, 253) AS agent,
            left(s.user_id, 256) AS "user", left(t.name, 128) AS tool, octet_length(t.input::text) AS bytes,
            CASE WHEN octet_length(t.input::text) <= ${MOST_BYTES} THEN t.input END AS input,
            t.started_at AS "requestedAt", t.approval_until AS "expiresAt"
     FROM runs r JOIN tool_executions t ON t.run_id = r.id JOIN sessions s ON s.id = r.session_id
     WHERE r.state = 'awaiting_approval' AND t.state = 'awaiting_approval' AND t.approval_until > now()
     ORDER BY t.started_at, t.tool_use_id LIMIT $1`,
    [limit],
  );
  return rows.map(({ bytes, ...row }) => ({
    ...row,
    requestedAt: isoTime(row.requestedAt),
    expiresAt: isoTime(row.expiresAt),
    ...shownInput(db, row, bytes),
  }));
}

function shownInput({ transcripts }: TranscriptDatabase, row: Omit<Row, "bytes">, bytes: number) {
  if (bytes > MOST_BYTES)
    return {
      input: null,
      withheld: `the input is ${Math.round(bytes / 1024)} KiB, too much to show here: use agentpg approvals`,
    };
  try {
    const input = transcripts.readJson(row.input, executionPlace("input", row.runId, row.toolUseId));
    return { input: JSON.stringify(input, undefined, 2), withheld: null };
  } catch (error) {
    if (error instanceof TranscriptUnreadable) return { input: null, withheld: error.message };
    throw error;
  }
}

/** Of what a decision is written: whose run it is. */
export interface RunOfCall {
  id: string;
  sessionId: string;
  agent: string;
  userId: string;
}

export async function runOfCall(db: TranscriptDatabase, runId: string): Promise<RunOfCall | undefined> {
  const [row] = await db.query<RunOfCall>(
    "console_run_of_call",
    `SELECT r.id, r.session_id AS "sessionId", left(r.agent, 253) AS agent, left(s.user_id, 1024) AS "userId"
     FROM runs r JOIN sessions s ON s.id = r.session_id WHERE r.id = $1`,
    [runId],
  );
  return row;
}
