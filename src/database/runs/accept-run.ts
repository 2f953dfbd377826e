import { type MessageRow, readConversation, writeQuestion } from "../encryption/messages.ts";
import { runPlace } from "../encryption/place.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";
import { isForeignKey, violates } from "./database.ts";
import { storableJson } from "./storable.ts";
import type { Message, RunState } from "./run.ts";

export interface NewRun {
  id: string;
  sessionId: string;
  agent: string;
  userId: string;
  worker: string;
  model: string;
  prompt: string;
  variables: Record<string, unknown> | null;
  idempotencyKey: string | null;
  timeoutSeconds: number;
  /** false: only put it in the queue, because this process has no room. */
  startNow: boolean;
}

export type Accepted =
  | { outcome: "started"; history: Message[]; lastSeq: number }
  | { outcome: "queued" }
  | { outcome: "repeated"; runId: string; samePrompt: boolean }
  | { outcome: "no_session"; exists: boolean };

interface Row {
  session_found: boolean;
  session_exists: boolean;
  state: RunState | null;
  last_seq: number | null;
  history: MessageRow[] | null;
}

const ACCEPT = `
WITH session AS (
  SELECT id FROM sessions WHERE id = $2 AND agent = $3 AND user_id = $4
), busy AS (
  SELECT EXISTS (
    SELECT 1 FROM runs
    WHERE agent = $3 AND session_id = $2 AND state IN ('pending', 'running', 'awaiting_agent', 'awaiting_approval', 'awaiting_batch')
  ) AS yes
), past AS (
  SELECT coalesce(max(seq), 0) AS last_seq, json_agg(json_build_object(
    'sessionId', session_id, 'runId', run_id, 'seq', seq, 'role', role, 'content', content) ORDER BY seq) AS history
  FROM messages WHERE session_id = $2
), accepted AS (
  INSERT INTO runs (id, session_id, agent, state, lease_owner, fence, started_at, deadline, model, prompt, variables, idempotency_key)
  SELECT $1, session.id, $3,
         CASE WHEN busy.yes OR NOT $11::boolean THEN 'pending' ELSE 'running' END,
         CASE WHEN busy.yes OR NOT $11::boolean THEN NULL ELSE $5::uuid END,
         CASE WHEN busy.yes OR NOT $11::boolean THEN 0 ELSE 1 END,
         CASE WHEN busy.yes OR NOT $11::boolean THEN NULL ELSE now() END,
         CASE WHEN busy.yes OR NOT $11::boolean THEN NULL ELSE now() + make_interval(secs => $10::float8) END,
         $6, $7, $8::jsonb, $9
  FROM session, busy
  ON CONFLICT (session_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
  RETURNING id, session_id, state
), question AS (
  INSERT INTO messages (session_id, seq, run_id, role, content)
  SELECT accepted.session_id, past.last_seq + 1, accepted.id, 'user', $12::jsonb
  FROM accepted, past WHERE accepted.state = 'running'
)
SELECT EXISTS (SELECT 1 FROM session) AS session_found,
       EXISTS (SELECT 1 FROM sessions WHERE id = $2) AS session_exists,
       (SELECT state FROM accepted) AS state,
       past.last_seq,
       past.history
FROM past`;

/**
 * Takes a run, and its question into the conversation when the session is free: one statement, so it is either all there or not.
 * A session that is busy gets the run queued. Two pods that start one session at the same time: the unique index lets one win,
 * the other is sent again and finds the session busy.
 */
export async function acceptRun(db: TranscriptDatabase, run: NewRun): Promise<Accepted> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await accept(db, run);
    } catch (error) {
      if (isForeignKey(error, "runs_session_id_fkey")) return { outcome: "no_session", exists: false }; // erased just now
      const raced = violates(error, "runs_active_in_session") || violates(error, "messages_pkey");
      if (!raced || attempt >= 5) throw error;
    }
  }
}

async function accept(db: TranscriptDatabase, run: NewRun): Promise<Accepted> {
  const { transcripts } = db;
  const variables = run.variables && transcripts.writeJson(run.variables, runPlace("variables", run.id));
  const [row] = await db.query<Row>("accept_run", ACCEPT, [
    run.id,
    run.sessionId,
    run.agent,
    run.userId,
    run.worker,
    run.model,
    transcripts.writeText(run.prompt, runPlace("prompt", run.id)),
    variables && storableJson(variables),
    run.idempotencyKey,
    run.timeoutSeconds,
    run.startNow,
    storableJson(writeQuestion(transcripts, run.sessionId, run.id, run.prompt)),
  ]);
  if (!row?.session_found) return { outcome: "no_session", exists: row?.session_exists ?? false };
  if (row.state === "pending") return { outcome: "queued" };
  if (row.state === null) return repeated(db, run);
  const history = readConversation(transcripts, row.history ?? []);
  return { outcome: "started", history, lastSeq: (row.last_seq ?? 0) + 1 };
}

async function repeated(db: TranscriptDatabase, run: NewRun): Promise<Accepted> {
  const rows = await db.query<{ id: string; prompt: string }>(
    "run_by_idempotency_key",
    "SELECT id, prompt FROM runs WHERE session_id = $1 AND idempotency_key = $2",
    [run.sessionId, run.idempotencyKey],
  );
  const [earlier] = rows;
  if (!earlier) throw new Error("a run with this idempotency key was there and is gone");
  const prompt = db.transcripts.readText(earlier.prompt, runPlace("prompt", earlier.id));
  return { outcome: "repeated", runId: earlier.id, samePrompt: prompt === run.prompt };
}
