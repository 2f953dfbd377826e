import { runPlace } from "../encryption/place.ts";
import { type HeldStep, inTransaction, type Rewrite, rewriteConversation } from "./compact-conversation.ts";
import { type AgentDatabase, violates } from "./database.ts";
import { OPEN_STATES } from "./run.ts";

/** A run that does nothing but compact: it has no question, and it is over when it is written. */
export interface CompactionRun {
  agent: string;
  /** The model that was asked for a summary. */
  model: string;
  /** What the list of runs shows in the place of a question. */
  title: string;
  /** The conversation that was compacted; when the session has another by now, nothing is written. */
  compactions: number;
  lastSeq: number;
}

// The session's lock comes first: of two that compact the same conversation, the second finds it changed.
const LOCK = "SELECT compactions FROM sessions WHERE id = $1 AND agent = $2 FOR NO KEY UPDATE";
const BEGIN = `
INSERT INTO runs (id, session_id, agent, state, lease_owner, fence, started_at, model, prompt)
SELECT $1, $2, $3, 'running', $4, 1, now(), $5, $6
WHERE (SELECT max(seq) FROM messages WHERE session_id = $2) = $7
  AND NOT EXISTS (SELECT 1 FROM runs WHERE agent = $3 AND session_id = $2
    AND state IN ${OPEN_STATES})`;

/**
 * Compacts a session that nobody works on: the run, its cost, and the new conversation in one transaction.
 * @param step the run's only step, which ends it
 * @returns false: the session is busy, or its conversation is another one by now, and nothing was written
 */
export async function compactIdleSession(
  db: AgentDatabase,
  run: CompactionRun,
  step: HeldStep,
  rewrite: Rewrite,
): Promise<boolean> {
  const title = db.transcripts.writeText(run.title, runPlace("prompt", step.run));
  try {
    return await inTransaction(db, async (client) => {
      const [session] = (await client.query<{ compactions: number }>(LOCK, [step.sessionId, run.agent])).rows;
      if (session?.compactions !== run.compactions) return false;
      const values = [step.run, step.sessionId, run.agent, step.worker, run.model, title, run.lastSeq];
      const { rowCount } = await client.query(BEGIN, values);
      return rowCount === 1 && (await rewriteConversation(client, db.transcripts, step, rewrite));
    });
  } catch (error) {
    if (violates(error, "runs_active_in_session")) return false;
    throw error;
  }
}
