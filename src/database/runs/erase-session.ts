import type { PoolClient } from "pg";
import { sessionsOf } from "../lifecycle/subject.ts";
import { appendAuditLine } from "./append-audit-line.ts";
import type { AgentDatabase } from "./database.ts";
import { OPEN_STATES } from "./run.ts";

/** Runs that are not over, from the top down. */
export interface OpenRun {
  id: string;
  sessionId: string;
  userId: string;
}

export type SessionErasure =
  | { outcome: "erased" }
  | { outcome: "busy"; open: OpenRun[] }
  /** Compaction has kept originals of it, and the schema is too old (before migration 4) for the runtime to delete those. */
  | { outcome: "originals_kept" };

const OPEN_RUNS = `
  SELECT r.id, r.session_id AS "sessionId", s.user_id AS "userId" FROM runs r JOIN sessions s ON s.id = r.session_id
  WHERE r.session_id = ANY($1::uuid[])
    AND r.state IN ${OPEN_STATES}
  ORDER BY r.id`;

const KEPT = `
  SELECT to_regprocedure('forget_archive(uuid[])') IS NULL AS forever
  FROM message_archive WHERE session_id = ANY($1::uuid[]) LIMIT 1`;

/** One statement: what hangs on a session is found before it goes. */
const DELETE = `
  WITH x AS (
    DELETE FROM tool_executions t USING runs r WHERE r.session_id = ANY($1::uuid[]) AND t.run_id = r.id
  ), m AS (
    DELETE FROM messages WHERE session_id = ANY($1::uuid[])
  ), r AS (
    DELETE FROM runs WHERE session_id = ANY($1::uuid[])
  )
  DELETE FROM sessions WHERE id = ANY($1::uuid[])`;

/**
 * Deletes a session with all that was said and done in it, and the sessions that its runs opened with other agents, and writes the
 * audit line; or nothing, when runs are under way.
 */
export function eraseSession(
  db: AgentDatabase,
  id: string,
  line: () => { at: string; record: string },
): Promise<SessionErasure> {
  return db.withConnection(async (client) => {
    await client.query("BEGIN");
    const ids = await heldTree(client, id);
    const { rows: open } = await client.query<OpenRun>(OPEN_RUNS, [ids]);
    const [kept] = (await client.query<{ forever: boolean }>(KEPT, [ids])).rows;
    if (open.length > 0 || kept?.forever) {
      await client.query("ROLLBACK");
      return open.length > 0 ? { outcome: "busy", open } : { outcome: "originals_kept" };
    }
    await client.query(DELETE, [ids]);
    if (kept) await client.query("SELECT forget_archive($1::uuid[])", [ids]);
    await appendAuditLine({ query: async (_name, text, values) => (await client.query(text, values)).rows }, line());
    await client.query("COMMIT");
    return { outcome: "erased" };
  });
}

/** The sessions, locked, so that no run can join: looked at again until no more come to light. */
async function heldTree(client: PoolClient, id: string): Promise<string[]> {
  for (let before = 0; ; ) {
    const ids = await sessionsOf(client, { session: id });
    await client.query("SELECT FROM sessions WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", [ids]);
    await client.query("SELECT FROM runs WHERE session_id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", [ids]);
    if (ids.length === before) return ids;
    before = ids.length;
  }
}
