import type { Queryable } from "./database.ts";
import type { ClaimedRun, ContentBlock, Conversation, Message, RunError, RunState, ToolExecution } from "./run.ts";

interface Row {
  held: boolean;
  started: boolean;
  last_seq: number;
  history: { role: Message["role"]; content: ContentBlock[] }[] | null;
}

// `held` is the fence: a worker that has lost the run must not add its question a second time.
const OPEN = `
WITH held AS (
  SELECT id, prompt FROM runs WHERE id = $1 AND fence = $3 AND state = 'running' FOR UPDATE
), past AS (
  SELECT coalesce(max(seq), 0) AS last_seq, coalesce(bool_or(run_id = $1), false) AS started,
         json_agg(json_build_object('role', role, 'content', content) ORDER BY seq) AS history
  FROM messages WHERE session_id = $2
), question AS (
  INSERT INTO messages (session_id, seq, run_id, role, content)
  SELECT $2, past.last_seq + 1, held.id, 'user', jsonb_build_array(jsonb_build_object('type', 'text', 'text', held.prompt))
  FROM held, past WHERE NOT past.started
)
SELECT EXISTS (SELECT 1 FROM held) AS held, past.started, past.last_seq, past.history FROM past`;

/** The conversation up to and with this run's question; undefined when another worker has taken the run. */
export async function openConversation(db: Queryable, run: ClaimedRun): Promise<Conversation | undefined> {
  const [row] = await db.query<Row>("open_conversation", OPEN, [run.id, run.sessionId, run.fence]);
  if (!row?.held) return undefined;
  const messages: Message[] = row.history ?? [];
  if (row.started) return { messages, lastSeq: row.last_seq };
  return {
    messages: [...messages, { role: "user", content: [{ type: "text", text: run.prompt }] }],
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
  idempotency_key: string;
  child_run: string | null;
  child_state: RunState | null;
  child_response: string | null;
  child_error: RunError | null;
}

/** The tool calls of a run, with how far the child runs are. */
export async function toolExecutionsOf(db: Queryable, runId: string): Promise<ToolExecution[]> {
  const rows = await db.query<ExecutionRow>(
    "tool_executions_of",
    `SELECT t.tool_use_id, t.name, t.state, t.attempts, t.is_error, t.output, t.idempotency_key, t.child_run,
            c.state AS child_state, c.response AS child_response, c.error AS child_error
     FROM tool_executions t LEFT JOIN runs c ON c.id = t.child_run
     WHERE t.run_id = $1`,
    [runId],
  );
  return rows.map((row) => ({
    toolUseId: row.tool_use_id,
    name: row.name,
    state: row.state,
    attempts: row.attempts,
    isError: row.is_error,
    output: row.output,
    idempotencyKey: row.idempotency_key,
    childRun: row.child_run,
    childState: row.child_state,
    childResponse: row.child_response,
    childError: row.child_error,
  }));
}
