import type { Queryable } from "./database.ts";
import { AT_WORK, type Crowd, othersThan, putBackExcess } from "./put-back.ts";
import { storableJson } from "./storable.ts";
import { OPEN_STATES, type QueuedRun, type RunState } from "./run.ts";

interface Row {
  id: string;
  session_id: string;
  fence: number;
  step: number;
  iteration: number;
  depth: number;
  prompt: string;
  variables: unknown;
  was: RunState;
  batch_group: string | null;
  batch_id: string | null;
  user_id: string;
  cancel_requested: boolean;
  /** Until the deadline: the clocks of the server and of this process may differ. */
  seconds_left: number;
  input_tokens: string;
  output_tokens: string;
  cache_read_tokens: string;
  cache_write_tokens: string;
  usd: string;
  trace: string | null;
  crowd: Crowd;
}

// Users take turns: somebody's second queued run comes after everybody's first, and whoever has runs at work comes later by as many.
// What was begun goes on before anything new.
// Claimable: the first of a session's queue; work whose worker is gone or let go of it, after its snooze; a parent whose children
// are all done, or given up; a run that no call keeps waiting for a person. Whatever waits is also taken when it is to be cancelled, is out of
// time, or wanted to be looked at by now.
const CLAIM = `
WITH working AS MATERIALIZED (
  SELECT r.agent, s.user_id FROM runs r JOIN sessions s ON s.id = r.session_id WHERE ${AT_WORK}
), claimable AS MATERIALIZED (
  SELECT r.id, r.state, r.fence, CASE WHEN r.state = 'pending' THEN
           row_number() OVER (PARTITION BY s.user_id, r.state = 'pending' ORDER BY r.id)
           + (SELECT count(*) FROM working w WHERE w.agent = $1 AND w.user_id = s.user_id)
         ELSE 0 END AS turn,
         coalesce(($8::jsonb->>s.user_id)::bigint, 0) AS served
  FROM runs r JOIN sessions s ON s.id = r.session_id
  WHERE r.agent = $1 AND r.state IN ${OPEN_STATES} AND CASE r.state
    WHEN 'pending' THEN NOT EXISTS (
      SELECT 1 FROM runs o
      WHERE o.agent = $1 AND o.session_id = r.session_id
        AND o.state IN ${OPEN_STATES}
        AND (o.state <> 'pending' OR o.id < r.id))
    WHEN 'running' THEN (r.wake_at IS NULL OR r.wake_at <= now() OR r.cancel_requested OR r.deadline < now())
      AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.id = r.lease_owner AND w.expires_at > now())
    WHEN 'awaiting_agent' THEN r.cancel_requested OR r.deadline < now() OR r.wake_at <= now() OR NOT EXISTS (
      SELECT 1 FROM tool_executions t JOIN runs c ON c.id = t.child_run
      WHERE t.run_id = r.id AND t.state = 'running' AND NOT c.cancel_requested
        AND c.state NOT IN ('completed', 'failed', 'cancelled'))
    WHEN 'awaiting_approval' THEN r.cancel_requested OR r.wake_at <= now() OR NOT EXISTS (
      SELECT 1 FROM tool_executions t WHERE t.run_id = r.id AND t.state = 'awaiting_approval')
    WHEN 'awaiting_batch' THEN r.cancel_requested OR r.wake_at <= now()
    ELSE false END
), candidate AS (
  SELECT r.id, claimable.state AS was
  FROM claimable JOIN runs r ON r.id = claimable.id AND r.state = claimable.state AND r.fence = claimable.fence
  ORDER BY claimable.turn, claimable.served, r.id
  LIMIT least($3::bigint, (SELECT greatest(0, least($6 - count(*), $7 - count(*) FILTER (WHERE agent = $1))) FROM working))
  FOR UPDATE OF r SKIP LOCKED
)
UPDATE runs r SET
  state = 'running', lease_owner = $2, fence = r.fence + 1, step = 0, model = $5, wake_at = NULL,
  started_at = coalesce(r.started_at, now()),
  -- One that another run asked for has that one's deadline at the latest.
  deadline = CASE WHEN r.started_at IS NULL THEN least(r.deadline, now() + make_interval(secs => $4::float8))
                  ELSE coalesce(r.deadline, least(now() + make_interval(secs => $4::float8),
                                                  (SELECT p.deadline FROM runs p WHERE p.id = r.parent_run))) END
FROM candidate, sessions s
WHERE r.id = candidate.id AND s.id = r.session_id
RETURNING r.id, r.session_id, r.fence, r.step, r.iteration, r.depth, r.prompt, r.variables, candidate.was,
  r.batch_group, r.batch_id, s.user_id, r.cancel_requested,
  extract(epoch FROM r.deadline - now())::float8 AS seconds_left,
  r.input_tokens, r.output_tokens, r.cache_read_tokens, r.cache_write_tokens, r.usd, r.trace,
  (SELECT json_build_object('tenant', count(*), 'agent', count(*) FILTER (WHERE agent = $1), 'others', ${othersThan("$2")})
   FROM working) AS crowd`;

/** Runs of this agent that nobody works on, now held by `worker`; the oldest first, `room` at most. */
export async function claimRuns(
  db: Queryable,
  claim: {
    agent: string;
    worker: string;
    room: number;
    timeoutSeconds: number;
    model: string;
    concurrency: { tenant: number; agent: number };
    /** By user, the larger the later one was served; of users who have as much at work, the one served longest ago comes first. */
    served?: Record<string, number>;
  },
): Promise<QueuedRun[]> {
  const { agent, worker, room, timeoutSeconds, model, concurrency, served = {} } = claim;
  const limits = [concurrency.tenant, concurrency.agent];
  const values = [agent, worker, room, timeoutSeconds, model, ...limits, storableJson(served)];
  const claimed = await db.query<Row>("claim_runs", CLAIM, values);
  const ids = claimed.map((it) => it.id);
  const back = await putBackExcess(db, claim, ids, claimed[0]?.crowd).catch(() => new Set());
  const rows = claimed.filter((it) => !back.has(it.id));
  return rows.map((row) => ({
    id: row.id,
    sessionId: row.session_id,
    fence: row.fence,
    step: row.step,
    iteration: row.iteration,
    depth: row.depth,
    storedPrompt: row.prompt,
    storedVariables: row.variables,
    state: row.was,
    batchGroup: row.batch_group,
    batchId: row.batch_id,
    userId: row.user_id,
    cancelRequested: row.cancel_requested,
    deadline: Date.now() + row.seconds_left * 1000,
    tokens: {
      input: Number(row.input_tokens),
      output: Number(row.output_tokens),
      cacheRead: Number(row.cache_read_tokens),
      cacheWrite: Number(row.cache_write_tokens),
    },
    usd: Number(row.usd),
    trace: row.trace,
  }));
}

/** Lets go of runs so that any worker may take them at once. They stay `running`: that keeps their place in the session. */
export async function releaseRuns(
  db: Queryable,
  worker: string,
  runs: readonly { id: string; fence: number }[],
): Promise<void> {
  await db.query(
    "release_runs",
    `UPDATE runs r SET lease_owner = NULL, fence = r.fence + 1 FROM unnest($2::uuid[], $3::integer[]) AS held (id, fence)
     WHERE r.id = held.id AND r.fence = held.fence AND r.lease_owner = $1 AND r.state = 'running'`,
    [worker, runs.map((it) => it.id), runs.map((it) => it.fence)],
  );
}
