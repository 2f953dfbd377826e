import type { PoolClient } from "pg";
import { deleteSessions } from "../lifecycle/removed.ts";
import { sessionsOf } from "../lifecycle/subject.ts";
import { appendAuditLine } from "./append-audit-line.ts";
import type { AgentDatabase } from "./database.ts";

/** Runs that are not over, from the top down. */
export interface OpenRun {
  id: string;
  sessionId: string;
  userId: string;
  agent: string;
}

const OPEN_RUNS = `
  SELECT r.id, r.session_id AS "sessionId", s.user_id AS "userId", r.agent FROM runs r JOIN sessions s ON s.id = r.session_id
  WHERE r.session_id = ANY($1::uuid[])
    AND r.state IN ('pending', 'running', 'awaiting_agent', 'awaiting_approval', 'awaiting_batch')
  ORDER BY r.id`;

/**
 * Deletes a session with all that was said and done in it, and the sessions that its runs opened with other agents, and writes the
 * audit line; or nothing, when runs are under way.
 * @returns these runs
 */
export function eraseSession(
  db: AgentDatabase,
  id: string,
  line: () => { at: string; record: string },
): Promise<OpenRun[]> {
  return db.withConnection(async (client: PoolClient) => {
    await client.query("BEGIN");
    const ids = await heldTree(client, id);
    const { rows: open } = await client.query<OpenRun>(OPEN_RUNS, [ids]);
    if (open.length === 0 && ids.length > 0) {
      await deleteSessions(client, ids);
      await appendAuditLine({ query: async (_name, text, values) => (await client.query(text, values)).rows }, line());
    }
    await client.query(open.length === 0 ? "COMMIT" : "ROLLBACK");
    return open;
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
