import { isDeepStrictEqual } from "node:util";
import { type MessageRow, readConversation, writeQuestion } from "../encryption/messages.ts";
import { runPlace } from "../encryption/place.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";
import { isForeignKey, violates } from "./database.ts";
import { AT_WORK, type Crowd, othersThan, putBackExcess } from "./put-back.ts";
import { storableJson } from "./storable.ts";
import { OPEN_STATES, type Message, type RunState } from "./run.ts";

export interface NewRun {
  id: string;
  sessionId: string;
  userId: string;
  prompt: string;
  variables: Record<string, unknown> | null;
  idempotencyKey: string | null;
  /** false: only put it in the queue, because this process has no room. */
  startNow: boolean;
  /** Where it is asked for, as a traceparent; left out: nobody traces that. */
  trace?: string | undefined;
}

/** How many runs may work at once; checked again by the statement that starts them, because other pods start runs too. */
export interface Concurrency {
  tenant: number;
  agent: number;
}

/** What all runs that a process accepts have in common. */
export interface Acceptance {
  agent: string;
  worker: string;
  model: string;
  timeoutSeconds: number;
  concurrency: Concurrency;
}

export type Accepted =
  | { outcome: "started"; history: Message[]; lastSeq: number }
  | { outcome: "queued" }
  | { outcome: "repeated"; runId: string; state: RunState; same: boolean }
  | { outcome: "no_session"; exists: boolean };

interface Row {
  id: string;
  found: boolean;
  exists: boolean;
  state: RunState | null;
  lastSeq: number;
  history: MessageRow[] | null;
  crowd: Crowd;
}

const ACCEPT = `
WITH working AS MATERIALIZED (
  SELECT count(*) AS tenant, count(*) FILTER (WHERE agent = $2) AS agent, ${othersThan("$3")} AS others FROM runs WHERE ${AT_WORK}
), item AS MATERIALIZED (
  SELECT i.*, s.agent IS NOT NULL AS "exists", coalesce(s.agent = $2 AND s.user_id = i."userId", false) AS found,
         i."startNow" AND busy.run IS NULL AND working.tenant + n <= $6 AND working.agent + n <= $7 AS starts,
         past.last_seq, past.history
  FROM working CROSS JOIN (
      SELECT *, row_number() OVER () AS n FROM jsonb_to_recordset($1::jsonb) AS i (
        id uuid, "sessionId" uuid, "userId" text, prompt text, variables jsonb,
        "idempotencyKey" text, question jsonb, "startNow" boolean, trace text)
    ) i
    -- OFFSET and LIMIT keep these as one look into an index for each run.
    LEFT JOIN LATERAL (SELECT agent, user_id FROM sessions WHERE id = i."sessionId" OFFSET 0) s ON true
    LEFT JOIN LATERAL (
      SELECT r.id AS run FROM runs r
      WHERE r.agent = $2 AND r.session_id = i."sessionId"
        AND r.state IN ${OPEN_STATES}
      LIMIT 1
    ) busy ON true
    LEFT JOIN LATERAL (
      SELECT coalesce(max(seq), 0) AS last_seq, json_agg(json_build_object(
        'sessionId', session_id, 'runId', run_id, 'seq', seq, 'role', role, 'content', content) ORDER BY seq) AS history
      FROM messages WHERE session_id = i."sessionId" AND i."startNow" AND busy.run IS NULL AND s.user_id = i."userId"
    ) past ON true
), accepted AS (
  INSERT INTO runs (id, session_id, agent, state, lease_owner, fence, started_at, deadline, model, prompt, variables, idempotency_key, trace)
  SELECT id, "sessionId", $2, CASE WHEN starts THEN 'running' ELSE 'pending' END, CASE WHEN starts THEN $3::uuid END,
         CASE WHEN starts THEN 1 ELSE 0 END, CASE WHEN starts THEN now() END,
         CASE WHEN starts THEN now() + make_interval(secs => $5::float8) END, $4, prompt, variables, "idempotencyKey", trace
  FROM item WHERE found
  ON CONFLICT (session_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
  RETURNING id, session_id, state
), question AS (
  INSERT INTO messages (session_id, seq, run_id, role, content)
  SELECT item."sessionId", item.last_seq + 1, item.id, 'user', item.question
  FROM accepted JOIN item USING (id) WHERE accepted.state = 'running'
)
SELECT item.id, item.found, item."exists", accepted.state, item.last_seq AS "lastSeq", item.history,
  (SELECT to_json(working) FROM working) AS crowd
FROM item LEFT JOIN accepted USING (id)`;

/**
 * Takes runs of different sessions, and their questions into the conversations where the session is free: one statement, so all of
 * it is there or nothing. A run of a busy session is queued.
 * @returns the outcomes in the order of the runs
 * @throws when another process starts a run of one of the sessions at the same time: the unique index lets one win
 */
export async function acceptRuns(db: TranscriptDatabase, acceptance: Acceptance, runs: NewRun[]): Promise<Accepted[]> {
  const { agent, worker, model, timeoutSeconds, concurrency } = acceptance;
  const items = storableJson(runs.map((run) => stored(db, run)));
  const values = [items, agent, worker, model, timeoutSeconds, concurrency.tenant, concurrency.agent];
  const rows = await db.query<Row>("accept_runs", ACCEPT, values);
  const started = rows.filter((it) => it.state === "running").map((it) => it.id);
  const back = await putBackExcess(db, acceptance, started, rows[0]?.crowd).catch(() => new Set());
  for (const row of rows) if (back.has(row.id)) row.state = "pending";
  const byId = new Map(rows.map((row) => [row.id, row]));
  return Promise.all(runs.map((run) => outcomeOf(db, run, byId.get(run.id))));
}

function stored({ transcripts }: TranscriptDatabase, run: NewRun): object {
  const { id, sessionId, prompt, variables } = run;
  return {
    ...run,
    prompt: transcripts.writeText(prompt, runPlace("prompt", id)),
    variables: variables && transcripts.writeJson(variables, runPlace("variables", id)),
    question: writeQuestion(transcripts, sessionId, id, prompt),
  };
}

async function outcomeOf(db: TranscriptDatabase, run: NewRun, row: Row | undefined): Promise<Accepted> {
  if (!row?.found) return { outcome: "no_session", exists: row?.exists ?? false };
  if (row.state === "pending") return { outcome: "queued" };
  if (row.state === null) return repeated(db, run);
  return {
    outcome: "started",
    history: readConversation(db.transcripts, row.history ?? []),
    lastSeq: row.lastSeq + 1,
  };
}

/**
 * The same for one run, sent again when two processes start a run of the session at the same time: then the session is found busy.
 */
export async function acceptRun(db: TranscriptDatabase, acceptance: Acceptance, run: NewRun): Promise<Accepted> {
  for (let attempt = 1; ; attempt++) {
    try {
      const [accepted] = await acceptRuns(db, acceptance, [run]);
      return accepted as Accepted;
    } catch (error) {
      if (isForeignKey(error, "runs_session_id_fkey")) return { outcome: "no_session", exists: false }; // erased just now
      const raced = violates(error, "runs_active_in_session") || violates(error, "messages_pkey");
      if (!raced || attempt >= 5) throw error;
    }
  }
}

async function repeated(db: TranscriptDatabase, run: NewRun): Promise<Accepted> {
  const rows = await db.query<{ id: string; state: RunState; prompt: string; variables: unknown }>(
    "run_by_idempotency_key",
    "SELECT id, state, prompt, variables FROM runs WHERE session_id = $1 AND idempotency_key = $2",
    [run.sessionId, run.idempotencyKey],
  );
  const [earlier] = rows;
  if (!earlier) throw new Error("a run with this idempotency key was there and is gone");
  const { id, state } = earlier;
  const prompt = db.transcripts.readText(earlier.prompt, runPlace("prompt", id));
  const variables = db.transcripts.readJson(earlier.variables, runPlace("variables", id));
  const same = prompt === run.prompt && isDeepStrictEqual(variables, asStored(run.variables));
  return { outcome: "repeated", runId: id, state, same };
}

const asStored = (value: unknown): unknown => JSON.parse(storableJson(value ?? null));
