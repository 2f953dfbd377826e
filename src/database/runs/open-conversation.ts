import { type MessageRow, readConversation, writeQuestion } from "../encryption/messages.ts";
import { executionPlace, type Place, runPlace } from "../encryption/place.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";
import type { Conversation, QueuedRun, RunError, RunState, ToolExecution, UnreadExecution } from "./run.ts";
import { storableJson } from "./storable.ts";

interface Row {
  held: boolean;
  started: boolean;
  last_seq: number;
  history: MessageRow[] | null;
}

// `held` is the fence: a worker that has lost the run must not add its question a second time.
const OPEN = `
WITH held AS (
  SELECT id FROM runs WHERE id = $1 AND fence = $3 AND state = 'running' FOR UPDATE
), past AS (
  SELECT coalesce(max(seq), 0) AS last_seq, coalesce(bool_or(run_id = $1), false) AS started,
         json_agg(json_build_object(
           'sessionId', session_id, 'runId', run_id, 'seq', seq, 'role', role, 'content', content) ORDER BY seq) AS history
  FROM messages WHERE session_id = $2
), question AS (
  INSERT INTO messages (session_id, seq, run_id, role, content)
  SELECT $2, past.last_seq + 1, held.id, 'user', $4::jsonb
  FROM held, past WHERE NOT past.started
)
SELECT EXISTS (SELECT 1 FROM held) AS held, past.started, past.last_seq, past.history FROM past`;

export interface OpenedRun extends Conversation {
  variables: Record<string, unknown> | null;
}

/**
 * The conversation up to and with this run's question; undefined when another worker has taken the run.
 * @throws TranscriptUnreadable
 */
export async function openConversation(db: TranscriptDatabase, run: QueuedRun): Promise<OpenedRun | undefined> {
  const { transcripts } = db;
  const prompt = transcripts.readText(run.storedPrompt, runPlace("prompt", run.id));
  const variables = transcripts.readJson(run.storedVariables, runPlace("variables", run.id)) as OpenedRun["variables"];
  const question = storableJson(writeQuestion(transcripts, run.sessionId, run.id, prompt));
  const [row] = await db.query<Row>("open_conversation", OPEN, [run.id, run.sessionId, run.fence, question]);
  if (!row?.held) return undefined;
  const messages = readConversation(transcripts, row.history ?? []);
  if (row.started) return { messages, lastSeq: row.last_seq, variables };
  return {
    variables,
    messages: [...messages, { role: "user", content: [{ type: "text", text: prompt }] }],
    lastSeq: row.last_seq + 1,
  };
}

interface ExecutionRow {
  tool_use_id: string;
  name: string;
  state: ToolExecution["state"];
  attempts: number;
  is_error: boolean | null;
  output: string | null;
  input: unknown;
  idempotency_key: string;
  approval_seconds_left: number | null;
  child_run: string | null;
  child_state: RunState | null;
  child_given_up: boolean | null;
  child_response: string | null;
  child_error: unknown;
}

const executionRows = (db: TranscriptDatabase, runId: string): Promise<ExecutionRow[]> =>
  db.query<ExecutionRow>(
    "tool_executions_of",
    `SELECT t.tool_use_id, t.name, t.state, t.attempts, t.is_error, t.output, t.input, t.idempotency_key, t.child_run,
            extract(epoch FROM t.approval_until - now())::float8 AS approval_seconds_left,
            c.state AS child_state, c.cancel_requested AS child_given_up, c.response AS child_response, c.error AS child_error
     FROM tool_executions t LEFT JOIN runs c ON c.id = t.child_run
     WHERE t.run_id = $1`,
    [runId],
  );

/** What of a call is stored as it is. */
const unread = (row: ExecutionRow): UnreadExecution => ({
  toolUseId: row.tool_use_id,
  name: row.name,
  state: row.state,
  attempts: row.attempts,
  isError: row.is_error,
  idempotencyKey: row.idempotency_key,
  approvalSecondsLeft: row.approval_seconds_left,
  childRun: row.child_run,
  childState: row.child_state,
  childGivenUp: row.child_given_up ?? false,
});

/** The tool calls of a run, with how far the child runs are. @throws TranscriptUnreadable */
export async function toolExecutionsOf(db: TranscriptDatabase, runId: string): Promise<ToolExecution[]> {
  const { transcripts } = db;
  const text = (stored: string | null, place: Place) => (stored === null ? null : transcripts.readText(stored, place));
  return (await executionRows(db, runId)).map((row) => ({
    ...unread(row),
    input: transcripts.readJson(row.input, executionPlace("input", runId, row.tool_use_id)),
    output: text(row.output, executionPlace("output", runId, row.tool_use_id)),
    childResponse: text(row.child_response, runPlace("response", row.child_run ?? "")),
    childError: transcripts.readJson(row.child_error, runPlace("error", row.child_run ?? "")) as RunError | null,
  }));
}

/** The same for who has to end a run whose calls cannot be read. */
export async function unreadExecutionsOf(db: TranscriptDatabase, runId: string): Promise<UnreadExecution[]> {
  return (await executionRows(db, runId)).map(unread);
}
