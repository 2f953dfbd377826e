import { alive } from "./abandoned-children.ts";
import type { Queryable } from "./database.ts";
import { OPEN_STATES, type QueuedRun, type RunState } from "./run.ts";

/** An open run whose answer nobody waits for: the run that asked for it, or one above that, is over or is to be cancelled. */
export interface UnwantedRun {
  id: string;
  agent: string;
  state: RunState;
  sessionId: string;
  userId: string;
  /** It was noted before that it is to be cancelled. */
  known: boolean;
  /** It was begun, and neither its worker nor any other of its agent is alive. */
  abandoned: boolean;
}

/** Over a run `r`. */
const ABANDONED = `r.state <> 'pending' AND NOT ${alive("r.agent")}
  AND NOT EXISTS (SELECT FROM workers w WHERE w.id = r.lease_owner AND w.expires_at > now())`;

/**
 * Notes that these and all below them are to be cancelled. The rows are locked in the order of their ids.
 * LATERAL and ARRAY: so that whatever the planner knows of the tables, it takes the few rows by index.
 */
const cancelWithAllBelow = (first: string, whenLocked: "" | "SKIP LOCKED") => `
WITH RECURSIVE unwanted AS (
  ${first}
  UNION ALL
  SELECT c.id FROM unwanted u
    CROSS JOIN LATERAL (SELECT id FROM runs WHERE parent_run = u.id AND state IN ${OPEN_STATES} OFFSET 0) c
), fresh AS MATERIALIZED (
  SELECT id FROM runs
  WHERE id = ANY (ARRAY(SELECT id FROM unwanted)) AND NOT cancel_requested AND state IN ${OPEN_STATES}
  ORDER BY id FOR NO KEY UPDATE ${whenLocked}
), noted AS (
  UPDATE runs r SET cancel_requested = true FROM fresh WHERE r.id = fresh.id
)
SELECT r.id, r.agent, r.state, r.session_id AS "sessionId", r.cancel_requested AS known, ${ABANDONED} AS abandoned,
       (SELECT user_id FROM sessions WHERE id = r.session_id) AS "userId"
FROM runs r WHERE r.id = ANY (ARRAY(SELECT id FROM unwanted))
ORDER BY r.id`;

const BELOW = cancelWithAllBelow(`SELECT id FROM runs WHERE parent_run = $1 AND state IN ${OPEN_STATES}`, "");

const ALL = cancelWithAllBelow(
  `SELECT c.id FROM runs c
    LEFT JOIN LATERAL (SELECT state, cancel_requested FROM runs WHERE id = c.parent_run OFFSET 0) p ON true
  WHERE c.state IN ${OPEN_STATES} AND c.parent_run IS NOT NULL
    AND (p.state IS NULL OR p.state NOT IN ${OPEN_STATES} OR p.cancel_requested)`,
  "SKIP LOCKED", // who holds one is at work on it; the next look finds it
);

/** Notes that all open runs below this one are to be cancelled. */
export const cancelBelow = (db: Queryable, runId: string): Promise<UnwantedRun[]> =>
  db.query<UnwantedRun>("cancel_below", BELOW, [runId]);

/** Notes that all unwanted runs of the tenant are to be cancelled. */
export const cancelUnwanted = (db: Queryable): Promise<UnwantedRun[]> =>
  db.query<UnwantedRun>("cancel_unwanted", ALL, []);

/**
 * Claims an abandoned run for a worker of another agent, which can do nothing but end it.
 * @returns undefined: it is over, or somebody is there for it again
 */
export async function claimAbandoned(
  db: Queryable,
  worker: string,
  { id }: UnwantedRun,
): Promise<QueuedRun | undefined> {
  const rows = await db.query<QueuedRun>(
    "claim_abandoned",
    `UPDATE runs r SET state = 'running', lease_owner = $2, fence = r.fence + 1, step = 0, wake_at = NULL
     FROM sessions s, runs old
     WHERE r.id = $1 AND r.cancel_requested AND r.state IN ${OPEN_STATES} AND ${ABANDONED}
       AND s.id = r.session_id AND old.id = r.id
     RETURNING r.id, r.session_id AS "sessionId", r.fence, r.step, r.iteration, r.depth, r.prompt AS "storedPrompt",
       r.variables AS "storedVariables", old.state, r.batch_group AS "batchGroup", r.batch_id AS "batchId", s.user_id AS "userId",
       r.cancel_requested AS "cancelRequested", 0 AS deadline, r.usd::float8 AS usd, r.trace,
       json_build_object('input', r.input_tokens, 'output', r.output_tokens,
                         'cacheRead', r.cache_read_tokens, 'cacheWrite', r.cache_write_tokens) AS tokens`,
    [id, worker],
  );
  return rows[0];
}
