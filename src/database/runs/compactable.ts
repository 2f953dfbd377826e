import { type MessageRow, readMessage } from "../encryption/messages.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";
import { OPEN_STATES, type Message } from "./run.ts";

/** The conversation of a session as the model gets it, with where each message is stored. @throws TranscriptUnreadable */
export async function compactableConversation(
  db: TranscriptDatabase,
  sessionId: string,
): Promise<(Message & { seq: number; runId: string })[]> {
  const rows = await db.query<Omit<MessageRow, "sessionId">>(
    "compactable_conversation",
    `SELECT seq, run_id AS "runId", role, content FROM messages WHERE session_id = $1 ORDER BY seq`,
    [sessionId],
  );
  return rows.map((row) => ({ ...row, content: readMessage(db.transcripts, { ...row, sessionId }) }));
}

/** How many originals are kept of a session. */
export async function archivedMessages(db: TranscriptDatabase, sessionId: string): Promise<number> {
  const [row] = await db.query<{ archived: number }>(
    "archived_messages",
    "SELECT count(*)::int AS archived FROM message_archive WHERE session_id = $1",
    [sessionId],
  );
  return row?.archived ?? 0;
}

/** Whether a run of the session is not over. */
export async function sessionIsBusy(db: TranscriptDatabase, agent: string, sessionId: string): Promise<boolean> {
  const rows = await db.query(
    "session_is_busy",
    `SELECT 1 FROM runs WHERE agent = $1 AND session_id = $2
     AND state IN ${OPEN_STATES} LIMIT 1`,
    [agent, sessionId],
  );
  return rows.length > 0;
}
