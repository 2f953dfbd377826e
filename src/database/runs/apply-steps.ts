import { storedStep } from "../encryption/steps.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";
import { storableJson } from "./storable.ts";
import type { Message, RunError, RunState, Tokens } from "./run.ts";

/** A tool call that is about to run, or the child run that answers it. */
export interface StartedExecution {
  toolUseId: string;
  name: string;
  input: unknown;
  idempotencyKey: string;
  childRun?: string;
  /** `awaiting_approval`: it does not run before a person says so. `running` when left out. */
  state?: "running" | "awaiting_approval";
  /** How long a person has to decide, in seconds. */
  approvalSeconds?: number;
}

export interface FinishedExecution {
  toolUseId: string;
  output: string;
  isError: boolean;
  /** How often it was called in this turn; 1 when left out. */
  attempts?: number;
}

/** A run of another agent, asked by a tool call. */
export interface ChildRun {
  id: string;
  sessionId: string;
  agent: string;
  userId: string;
  toolUseId: string;
  prompt: string;
  depth: number;
  variables?: Record<string, unknown> | null;
  /** The call that asks for it, as a traceparent. */
  trace?: string | undefined;
}

/** One write of the run engine: all that happened to a run since its last write. All of it is applied, or nothing. */
export interface RunStep {
  run: string;
  /** The run's session; may be left out where there are no messages, or nothing is encrypted. */
  sessionId?: string;
  fence: number;
  /** Who holds the run; left out of one that nobody holds. A database restored from a backup gives the same fence out twice. */
  worker?: string;
  /** One more than the run's last write under this fence. */
  step: number;
  /** The state that the run is in. */
  from: "running" | "pending";
  to: RunState;
  iteration: number;
  tokens: Tokens;
  usd: number;
  messages: (Message & { seq: number })[];
  started: StartedExecution[];
  finished: FinishedExecution[];
  /** Calls, by tool use, that are to be made later: they have not taken effect. */
  postponed?: string[];
  children: ChildRun[];
  response: string | null;
  stopReason: string | null;
  error: RunError | null;
  /**
   * The run is looked at again then, in seconds from now; left out: not by time. With `to: "running"` the worker lets go of it
   * until then (a snooze).
   */
  wakeSeconds?: number | null;
  /** With `to: "awaiting_batch"`: the batch that the answer comes with, when it is known already. */
  batchGroup?: string | null;
  batchId?: string | null;
  /** Lines of the audit log, as the text that is hashed. */
  audit: { at: string; record: string }[];
}

/** Of a step: the parts of one in which nothing was said, called or asked. */
export const NOTHING_DONE = {
  messages: [],
  started: [],
  finished: [],
  children: [],
  response: null,
  stopReason: null,
} satisfies Partial<RunStep>;

export interface StepOutcome {
  run: string;
  /** false: another worker holds the run now, or it is over; nothing was written. */
  applied: boolean;
  /** The agent whose run waits for this one, when it is over now. */
  parentAgent: string | null;
}

const APPLY = `
WITH RECURSIVE item AS MATERIALIZED (
  SELECT i.*, row_number() OVER () AS n FROM jsonb_to_recordset($1::jsonb) AS i (
    run uuid, fence integer, worker uuid, step integer, "from" text, "to" text, iteration integer, tokens jsonb, usd numeric,
    messages jsonb, started jsonb, finished jsonb, postponed jsonb, children jsonb,
    response text, "stopReason" text, error jsonb, audit jsonb,
    "wakeSeconds" float8, "batchGroup" uuid, "batchId" text)
), done AS (
  UPDATE runs r SET
    state = i."to", step = i.step, iteration = i.iteration,
    input_tokens = (i.tokens->>'input')::bigint, output_tokens = (i.tokens->>'output')::bigint,
    cache_read_tokens = (i.tokens->>'cacheRead')::bigint, cache_write_tokens = (i.tokens->>'cacheWrite')::bigint,
    usd = i.usd, response = i.response, stop_reason = i."stopReason", error = i.error,
    lease_owner = CASE WHEN i."to" = 'running' AND i."wakeSeconds" IS NULL THEN r.lease_owner END,
    wake_at = now() + make_interval(secs => i."wakeSeconds"), batch_group = i."batchGroup", batch_id = i."batchId",
    -- The time in which a person or a batch is waited for does not count: the next claim starts it anew.
    deadline = CASE WHEN i."to" IN ('awaiting_approval', 'awaiting_batch') THEN NULL ELSE r.deadline END,
    finished_at = CASE WHEN i."to" IN ('completed', 'failed', 'cancelled') THEN now() END
  FROM item i
  WHERE r.id = i.run AND r.fence = i.fence AND r.step = i.step - 1 AND r.state = i."from"
    AND (i.worker IS NULL OR r.lease_owner = i.worker)
  RETURNING r.id, r.session_id, r.agent, r.model, r.finished_at, r.parent_run, r.deadline,
            r.input_tokens, r.output_tokens, r.cache_read_tokens, r.cache_write_tokens, r.usd,
            i.n, i.messages, i.started, i.finished, i.postponed, i.children, i.audit
), said AS (
  INSERT INTO messages (session_id, seq, run_id, role, content)
  SELECT d.session_id, (m->>'seq')::integer, d.id, m->>'role', m->'content'
  FROM done d CROSS JOIN jsonb_array_elements(d.messages) m
), begun AS (
  INSERT INTO tool_executions (run_id, tool_use_id, name, state, input, idempotency_key, child_run, approval_until)
  SELECT d.id, t->>'toolUseId', t->>'name', coalesce(t->>'state', 'running'), t->'input', (t->>'idempotencyKey')::uuid,
         (t->>'childRun')::uuid, now() + make_interval(secs => (t->>'approvalSeconds')::float8)
  FROM done d CROSS JOIN jsonb_array_elements(d.started) t
  ON CONFLICT (run_id, tool_use_id) DO UPDATE SET state = 'running', started_at = now(),
    attempts = tool_executions.attempts + CASE WHEN tool_executions.state = 'running' THEN 1 ELSE 0 END
), ended AS (
  UPDATE tool_executions x SET
    state = CASE WHEN t."isError" THEN 'failed' ELSE 'completed' END, is_error = t."isError", output = t.output, finished_at = now(),
    attempts = x.attempts + coalesce(t.attempts - 1, 0)
  FROM done d
    CROSS JOIN jsonb_to_recordset(d.finished) AS t ("toolUseId" text, output text, "isError" boolean, attempts smallint)
  WHERE x.run_id = d.id AND x.tool_use_id = t."toolUseId"
), later AS (
  UPDATE tool_executions x SET state = 'approved'
  FROM done d CROSS JOIN jsonb_array_elements_text(d.postponed) AS t (id)
  WHERE x.run_id = d.id AND x.tool_use_id = t.id
), child AS (
  SELECT d.id AS parent_run, d.deadline, c.* FROM done d CROSS JOIN jsonb_to_recordset(d.children)
    AS c (id uuid, "sessionId" uuid, agent text, "userId" text, "toolUseId" text, prompt text, depth smallint, variables jsonb, trace text)
), child_session AS (
  INSERT INTO sessions (id, agent, user_id, parent_run) SELECT "sessionId", agent, "userId", parent_run FROM child
), child_run AS (
  INSERT INTO runs (id, session_id, agent, state, depth, parent_run, parent_tool_use, model, prompt, variables, deadline, trace)
  SELECT id, "sessionId", agent, 'pending', depth, parent_run, "toolUseId", '', prompt, variables, deadline, trace FROM child
), spend AS (
  INSERT INTO usage_daily AS u (day, agent, model, runs, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, usd)
  SELECT (now() AT TIME ZONE 'UTC')::date, agent, model, count(*),
         sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens), sum(usd)
  FROM done WHERE finished_at IS NOT NULL GROUP BY agent, model
  ON CONFLICT (day, agent, model) DO UPDATE SET
    runs = u.runs + excluded.runs, input_tokens = u.input_tokens + excluded.input_tokens,
    output_tokens = u.output_tokens + excluded.output_tokens, cache_read_tokens = u.cache_read_tokens + excluded.cache_read_tokens,
    cache_write_tokens = u.cache_write_tokens + excluded.cache_write_tokens, usd = u.usd + excluded.usd
), entry AS MATERIALIZED (
  SELECT count(*) AS total, array_agg((a.value->>'at')::timestamptz ORDER BY d.n, a.ordinality) AS at,
         array_agg(a.value->>'record' ORDER BY d.n, a.ordinality) AS record
  FROM done d CROSS JOIN jsonb_array_elements(d.audit) WITH ORDINALITY a
), head AS MATERIALIZED (
  SELECT seq, hash FROM audit_head WHERE (SELECT total FROM entry) > 0 FOR UPDATE
), chain AS (
  SELECT 1 AS n, h.seq + 1 AS seq, h.hash AS prev_hash, sha256(h.hash || convert_to(e.record[1], 'UTF8')) AS hash
  FROM head h CROSS JOIN entry e
  UNION ALL
  SELECT c.n + 1, c.seq + 1, c.hash, sha256(c.hash || convert_to(e.record[c.n + 1], 'UTF8'))
  FROM chain c CROSS JOIN entry e WHERE c.n < e.total
), appended AS (
  INSERT INTO audit (seq, at, prev_hash, hash, record)
  SELECT c.seq, e.at[c.n], c.prev_hash, c.hash, e.record[c.n] FROM chain c CROSS JOIN entry e
), moved AS (
  UPDATE audit_head SET seq = c.seq, hash = c.hash FROM (SELECT seq, hash FROM chain ORDER BY n DESC LIMIT 1) c
)
SELECT i.run,
       d.id IS NOT NULL OR (r.fence = i.fence AND r.step = i.step AND coalesce(r.lease_owner = i.worker, true)) AS applied,
       p.agent AS "parentAgent"
FROM item i
  LEFT JOIN done d USING (n)
  LEFT JOIN LATERAL (SELECT fence, step, lease_owner FROM runs WHERE id = i.run AND d.id IS NULL OFFSET 0) r ON true
  LEFT JOIN LATERAL (SELECT agent FROM runs WHERE id = d.parent_run AND d.finished_at IS NOT NULL OFFSET 0) p ON true`;

/**
 * Writes steps of many runs in one statement: their states, messages, tool calls, child runs, spend, and the audit lines, which are
 * chained to the tenant's audit log. Sent again, an applied step is left as it is and reported as applied.
 * @throws TranscriptKeyMissing
 */
export async function applySteps(db: TranscriptDatabase, steps: RunStep[]): Promise<StepOutcome[]> {
  return db.query<StepOutcome>("apply_steps", APPLY, [storableJson(steps.map((it) => storedStep(db.transcripts, it)))]);
}
