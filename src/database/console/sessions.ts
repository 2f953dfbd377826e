import type { ConsoleSession } from "../../api/console.ts";
import type { Queryable } from "../runs/database.ts";
import { isoTime, isoTimeOrNull } from "./time.ts";

interface Row extends Omit<ConsoleSession, "createdAt" | "lastAt" | "runs"> {
  createdAt: Date;
  lastAt: Date | null;
  runs: string;
}

/** The tenant's pods choose what is in these columns, and how long it is. */
const SELECT = `
SELECT s.id, left(s.agent, 253) AS agent, left(s.user_id, 256) AS "user", s.parent_run AS "parentRun", s.created_at AS "createdAt",
       s.compactions, r.runs, r.state, r.last_at AS "lastAt", r.usd
FROM sessions s, LATERAL (
  SELECT count(*) AS runs, (array_agg(state ORDER BY id DESC))[1] AS state, max(coalesce(finished_at, started_at, created_at)) AS last_at,
         coalesce(sum(usd), 0)::text AS usd
  FROM (SELECT id, state, finished_at, started_at, created_at, usd FROM runs WHERE session_id = s.id ORDER BY id DESC LIMIT 1000) newest
) r`;

const toSession = (row: Row): ConsoleSession => ({
  ...row,
  runs: Number(row.runs),
  createdAt: isoTime(row.createdAt),
  lastAt: isoTimeOrNull(row.lastAt),
});

export interface SessionsPage {
  limit: number;
  /** The last id of the page before. */
  before: string | null;
  agent: string | null;
  user: string | null;
}

/** Sessions of all agents and users, the newest first. Cost and count are of a session's last 1000 runs. */
export async function sessionsPage(
  db: Queryable,
  { limit, before, agent, user }: SessionsPage,
): Promise<ConsoleSession[]> {
  const rows = await db.query<Row>(
    "console_sessions",
    `${SELECT} WHERE ($2::uuid IS NULL OR s.id < $2) AND ($3::text IS NULL OR s.agent = $3) AND ($4::text IS NULL OR s.user_id = $4)
     ORDER BY s.id DESC LIMIT $1`,
    [limit, before, agent, user],
  );
  return rows.map(toSession);
}

/** One session, of whichever agent and user. */
export async function consoleSession(db: Queryable, id: string): Promise<ConsoleSession | undefined> {
  const [row] = await db.query<Row>("console_session", `${SELECT} WHERE s.id = $1`, [id]);
  return row && toSession(row);
}

/** The session that a run belongs to. */
export async function sessionOfRun(db: Queryable, run: string): Promise<string | undefined> {
  const [row] = await db.query<{ id: string }>(
    "console_session_of_run",
    "SELECT session_id AS id FROM runs WHERE id = $1",
    [run],
  );
  return row?.id;
}
