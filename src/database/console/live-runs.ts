import type { ConsoleLiveRun } from "../../api/console.ts";
import type { Queryable } from "../runs/database.ts";
import { OPEN_STATES } from "../runs/run.ts";
import { isoTime, isoTimeOrNull } from "./time.ts";

interface Row extends Omit<ConsoleLiveRun, "tokens" | "createdAt" | "startedAt" | "tools"> {
  tokens: string;
  createdAt: Date;
  startedAt: Date | null;
  tools: string[] | null;
}

/** Runs that are not over, the newest first: at work, waiting, queued. */
export async function liveRuns(db: Queryable, limit: number): Promise<ConsoleLiveRun[]> {
  const rows = await db.query<Row>(
    "console_live_runs",
    `SELECT r.id, r.session_id AS "sessionId", left(r.agent, 253) AS agent, left(s.user_id, 256) AS "user", r.state, r.iteration, r.depth,
            r.input_tokens + r.output_tokens + r.cache_read_tokens + r.cache_write_tokens AS tokens, r.usd::text AS usd,
            r.created_at AS "createdAt", r.started_at AS "startedAt", left(w.report->>'pod', 253) AS pod,
            (SELECT array_agg(left(t.name, 128)) FROM (
               SELECT name FROM tool_executions WHERE run_id = r.id AND state IN ('running', 'awaiting_approval') LIMIT 20) t) AS tools
     FROM (SELECT * FROM runs WHERE state IN ${OPEN_STATES} ORDER BY id DESC LIMIT $1) r
       JOIN sessions s ON s.id = r.session_id LEFT JOIN workers w ON w.id = r.lease_owner
     ORDER BY r.id DESC`,
    [limit],
  );
  return rows.map((row) => ({
    ...row,
    tokens: Number(row.tokens),
    createdAt: isoTime(row.createdAt),
    startedAt: isoTimeOrNull(row.startedAt),
    tools: row.tools ?? [],
  }));
}
