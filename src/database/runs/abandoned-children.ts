import { runPlace } from "../encryption/place.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";
import type { Queryable } from "./database.ts";
import type { RunError, RunState } from "./run.ts";

/** A run that another agent was asked for, which has no living worker now. */
export interface AbandonedChild {
  id: string;
  agent: string;
  state: RunState;
  sessionId: string;
  userId: string;
}

const OPEN = "('pending', 'running', 'awaiting_agent', 'awaiting_approval', 'awaiting_batch')";
/** The condition that an agent has a living worker. */
export const alive = (agent: string) =>
  `EXISTS (SELECT 1 FROM workers w WHERE w.agent = ${agent} AND w.expires_at > now())`;

/** What this agent's runs wait for although nobody is there to do it. */
export function abandonedChildren(db: Queryable, agent: string): Promise<AbandonedChild[]> {
  return db.query<AbandonedChild>(
    "abandoned_children",
    `SELECT c.id, c.agent, c.state, c.session_id AS "sessionId", s.user_id AS "userId"
     FROM runs p JOIN runs c ON c.parent_run = p.id JOIN sessions s ON s.id = c.session_id
     WHERE p.agent = $1 AND p.state IN ${OPEN} AND p.state IN ('awaiting_agent', 'awaiting_approval')
       AND c.state IN ${OPEN} AND NOT c.cancel_requested AND NOT ${alive("c.agent")}`,
    [agent],
  );
}

/**
 * Notes that such a run, which was begun, is to be cancelled, and why. Whoever asked for it goes on at once; it ends when a worker
 * takes it. Nothing happens when there is a worker again.
 */
export async function giveUpChild(db: TranscriptDatabase, id: string, why: RunError): Promise<void> {
  await db.query(
    "give_up_child",
    `UPDATE runs r SET cancel_requested = true, error = $2::jsonb WHERE id = $1 AND state IN ${OPEN} AND NOT ${alive("r.agent")}`,
    [id, JSON.stringify(db.transcripts.writeJson(why, runPlace("error", id)))],
  );
}
