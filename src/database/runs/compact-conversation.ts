import type { PoolClient } from "pg";
import type { TranscriptCipher } from "../encryption/cipher.ts";
import { writeMessage } from "../encryption/messages.ts";
import { databaseError, DatabaseOutage } from "../errors.ts";
import { applySteps, type RunStep } from "./apply-steps.ts";
import type { AgentDatabase } from "./database.ts";
import type { Message } from "./run.ts";
import { storableJson } from "./storable.ts";

/** How the stored conversation of a session changes. What is there before is kept in `message_archive`. */
export interface Rewrite {
  /** Stored messages that get another content; a summary also another role. */
  changed: (Message & { seq: number; runId: string })[];
  /** Numbers of messages that leave the conversation. */
  removed: number[];
}

// The session is locked before the run, as an erasure does it. `held` is the fence, and the step: sent again after it was applied,
// it does nothing. An original that is in the archive stays
// there: what is compacted a second time is no original any more.
const REWRITE = `
WITH session AS MATERIALIZED (
  SELECT id FROM sessions WHERE id = $2 FOR NO KEY UPDATE
), held AS (
  SELECT r.id FROM session s JOIN runs r ON r.session_id = s.id
  WHERE r.id = $1 AND r.fence = $3 AND r.lease_owner = $4 AND r.step = $5 - 1 AND r.state = 'running'
  FOR UPDATE OF r
), fresh AS MATERIALIZED (
  SELECT c.* FROM held, jsonb_to_recordset($6::jsonb) AS c (seq integer, "runId" uuid, role text, content jsonb)
), kept AS (
  INSERT INTO message_archive (session_id, seq, run_id, role, content, created_at)
  SELECT m.session_id, m.seq, m.run_id, m.role, m.content, m.created_at FROM held, messages m
  WHERE m.session_id = $2 AND (m.seq = ANY($7::integer[]) OR m.seq IN (SELECT seq FROM fresh))
  ON CONFLICT (session_id, seq) DO NOTHING
), gone AS (
  DELETE FROM messages m USING held WHERE m.session_id = $2 AND m.seq = ANY($7::integer[])
), changed AS (
  UPDATE messages m SET run_id = f."runId", role = f.role, content = f.content
  FROM fresh f WHERE m.session_id = $2 AND m.seq = f.seq
), counted AS (
  UPDATE sessions s SET compactions = s.compactions + 1 WHERE s.id = $2 AND EXISTS (SELECT 1 FROM fresh)
)
SELECT EXISTS (SELECT 1 FROM held) AS held,
       EXISTS (SELECT 1 FROM runs WHERE id = $1 AND fence = $3 AND lease_owner = $4 AND step = $5) AS already`;

/** A step of a run that this worker holds. */
export type HeldStep = RunStep & { sessionId: string; worker: string };

/**
 * Changes the conversation of a run's session, and writes the step that says so: all of it in one transaction, or nothing. Only for
 * the worker that holds the run; sent again, what is applied is left as it is.
 * @returns false: the run is another worker's now, and nothing was written
 */
export const compactConversation = (db: AgentDatabase, step: HeldStep, rewrite: Rewrite): Promise<boolean> =>
  inTransaction(db, (client) => rewriteConversation(client, db.transcripts, step, rewrite));

/** As {@link compactConversation}, within a transaction. */
export async function rewriteConversation(
  client: PoolClient,
  transcripts: TranscriptCipher,
  step: HeldStep,
  { changed, removed }: Rewrite,
): Promise<boolean> {
  const { run, sessionId, fence, worker } = step;
  const rows = changed.map((it) => ({
    seq: it.seq,
    runId: it.runId,
    role: it.role,
    content: writeMessage(transcripts, { ...it, sessionId }),
  }));
  const values = [run, sessionId, fence, worker, step.step, storableJson(rows), removed];
  const [row] = (await client.query<{ held: boolean; already: boolean }>(REWRITE, values)).rows;
  if (!row?.held) return row?.already ?? false;
  const query = async <Row>(_name: string, text: string, more?: unknown[]) =>
    (await client.query(text, more)).rows as Row[];
  const [outcome] = await applySteps({ query, transcripts }, [step]);
  if (!outcome?.applied) throw new Error("a run changed hands while it was locked");
  return true;
}

/** @throws DatabaseOutage when the database is at fault; what it has against a statement is thrown as it came */
export async function inTransaction<T>(db: AgentDatabase, work: (client: PoolClient) => Promise<T>): Promise<T> {
  try {
    return await db.withConnection(async (client) => {
      await client.query("BEGIN");
      const result = await work(client); // when it throws, the connection is thrown away, and with it the transaction
      await client.query("COMMIT");
      return result;
    });
  } catch (error) {
    const failure = databaseError(error, "compacting a conversation");
    throw failure instanceof DatabaseOutage ? failure : error;
  }
}
