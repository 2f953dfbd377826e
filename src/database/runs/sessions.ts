import { type MessageRow as Encoded, readMessage } from "../encryption/messages.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";
import type { Queryable } from "./database.ts";
import { storableJson, storableText } from "./storable.ts";
import type { Message, StoredMessage } from "./run.ts";

export interface Session {
  id: string;
  agent: string;
  userId: string;
  metadata: Record<string, unknown>;
  /** How often the conversation was compacted. */
  compactions: number;
  createdAt: string;
}

interface Row {
  id: string;
  agent: string;
  user_id: string;
  metadata: Record<string, unknown>;
  compactions: number;
  created_at: Date;
}

const toSession = (row: Row): Session => ({
  id: row.id,
  agent: row.agent,
  userId: row.user_id,
  metadata: row.metadata,
  compactions: row.compactions,
  createdAt: row.created_at.toISOString(),
});

export type NewSession = Pick<Session, "id" | "userId" | "metadata">;

/** @returns the sessions in the order in which they were given */
export async function createSessions(db: Queryable, agent: string, sessions: NewSession[]): Promise<Session[]> {
  const rows = await db.query<Row>(
    "create_sessions",
    `INSERT INTO sessions (id, agent, user_id, metadata)
     SELECT s.id, $1, s."userId", s.metadata FROM jsonb_to_recordset($2::jsonb) AS s (id uuid, "userId" text, metadata jsonb)
     RETURNING id, agent, user_id, metadata, compactions, created_at`,
    [agent, storableJson(sessions)],
  );
  const made = new Map(rows.map((it) => [it.id, toSession(it)]));
  return sessions.map(({ id }) => made.get(id) as Session);
}

/** The session, whoever owns it: the caller checks. */
export async function sessionById(db: Queryable, id: string, agent: string): Promise<Session | undefined> {
  const rows = await db.query<Row>(
    "session_by_id",
    "SELECT id, agent, user_id, metadata, compactions, created_at FROM sessions WHERE id = $1 AND agent = $2",
    [id, agent],
  );
  return rows[0] && toSession(rows[0]);
}

/** Gives some of the metadata other values, and takes out what is null. Undefined when that would be more than `most` entries. */
export async function changeMetadata(
  db: Queryable,
  id: string,
  change: Record<string, string | null>,
  most: number,
): Promise<Session | undefined> {
  const out = Object.keys(change).filter((key) => change[key] === null);
  const rows = await db.query<Row>(
    "change_metadata",
    `UPDATE sessions SET metadata = (metadata || $2::jsonb) - $3::text[]
     WHERE id = $1 AND (SELECT count(*) FROM jsonb_object_keys((metadata || $2::jsonb) - $3::text[])) <= $4
     RETURNING id, agent, user_id, metadata, compactions, created_at`,
    [id, storableJson(change), out.map(storableText), most],
  );
  return rows[0] && toSession(rows[0]);
}

/**
 * The user's own sessions, the newest first; those that another agent opened are left out.
 * @param before the last id of the page before
 * @param metadata entries that all of them have
 */
export async function sessionsOfUser(
  db: Queryable,
  agent: string,
  userId: string,
  limit: number,
  before: string | null,
  metadata: Record<string, string> = {},
): Promise<Session[]> {
  const rows = await db.query<Row>(
    "sessions_of_user",
    `SELECT id, agent, user_id, metadata, compactions, created_at FROM sessions
     WHERE agent = $1 AND user_id = $2 AND parent_run IS NULL AND ($4::uuid IS NULL OR id < $4)
       AND metadata @> $5::jsonb
     ORDER BY id DESC LIMIT $3`,
    [agent, userId, limit, before, storableJson(metadata)],
  );
  return rows.map(toSession);
}

interface MessageRow {
  seq: number;
  run_id: string;
  role: Message["role"];
  content: unknown;
  created_at: Date;
}

const toMessage = ({ transcripts }: TranscriptDatabase, sessionId: string, row: MessageRow): StoredMessage => {
  const { seq, run_id: runId, role, content } = row;
  const encoded: Encoded = { sessionId, runId, seq, role, content };
  return { seq, runId, role, content: readMessage(transcripts, encoded), createdAt: row.created_at.toISOString() };
};

/** What was said, as it was said: where compaction has changed or removed a message, its original, for as long as that is kept. */
const saidIn = (where: string): string => `
  SELECT seq, run_id, role, content, created_at FROM messages m
  WHERE ${where} AND NOT EXISTS (SELECT 1 FROM message_archive a WHERE a.session_id = m.session_id AND a.seq = m.seq)
  UNION ALL
  SELECT seq, run_id, role, content, created_at FROM message_archive WHERE ${where}
  ORDER BY seq`;

/** Messages of a session after `after`, in order. @throws TranscriptUnreadable */
export async function messagesOfSession(
  db: TranscriptDatabase,
  sessionId: string,
  after: number,
  limit: number,
): Promise<StoredMessage[]> {
  const rows = await db.query<MessageRow>("messages_of_session", `${saidIn("session_id = $1 AND seq > $2")} LIMIT $3`, [
    sessionId,
    after,
    limit,
  ]);
  return rows.map((row) => toMessage(db, sessionId, row));
}

/** Messages of one run after `after`, in order. @throws TranscriptUnreadable */
export async function messagesOfRun(
  db: TranscriptDatabase,
  sessionId: string,
  runId: string,
  after: number,
): Promise<StoredMessage[]> {
  const rows = await db.query<MessageRow>("messages_of_run", saidIn("session_id = $1 AND run_id = $2 AND seq > $3"), [
    sessionId,
    runId,
    after,
  ]);
  return rows.map((row) => toMessage(db, sessionId, row));
}

/** Which of these sessions there are. */
export async function knownSessions(db: Queryable, ids: string[]): Promise<Set<string>> {
  const rows = await db.query<{ id: string }>("known_sessions", "SELECT id FROM sessions WHERE id = ANY($1)", [ids]);
  return new Set(rows.map(({ id }) => id));
}
