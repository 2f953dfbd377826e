import type { Queryable } from "./database.ts";

/** Runs that wait for one batch, or, without a group, for being put into one. */
export interface BatchGroup {
  group: string | null;
  /** The API's name of it; null while it is not known whether it was created. */
  batchId: string | null;
  runs: number;
  /** Seconds since it was submitted. */
  age: number;
}

/**
 * Whether this process is the one that looks after its agent's batches: the living one that started first. That two believe it for
 * a moment does no harm, only work twice.
 */
export async function leadsBatches(db: Queryable, agent: string, worker: string): Promise<boolean> {
  const rows = await db.query<{ leads: boolean }>(
    "leads_batches",
    `SELECT NOT EXISTS (
       SELECT 1 FROM workers WHERE agent = $1 AND expires_at > now() AND id < $2) AS leads`,
    [agent, worker],
  );
  return rows[0]?.leads ?? false;
}

/** What waits and is not to be looked at by a worker yet. */
export function waitingGroups(db: Queryable, agent: string): Promise<BatchGroup[]> {
  return db.query<BatchGroup>(
    "waiting_groups",
    `SELECT batch_group AS "group", batch_id AS "batchId", count(*)::int AS runs,
            coalesce(extract(epoch FROM now() - min(batch_submitted_at)), 0)::float8 AS age
     FROM runs WHERE agent = $1 AND state = 'awaiting_batch' AND wake_at IS NULL AND NOT cancel_requested
     GROUP BY batch_group, batch_id`,
    [agent],
  );
}

/** The oldest runs that are in no batch, with their sessions. */
export function runsForBatch(db: Queryable, agent: string, most: number): Promise<{ id: string; sessionId: string }[]> {
  return db.query(
    "runs_for_batch",
    `SELECT id, session_id AS "sessionId" FROM runs
     WHERE agent = $1 AND state = 'awaiting_batch' AND batch_group IS NULL AND wake_at IS NULL AND NOT cancel_requested
     ORDER BY id LIMIT $2`,
    [agent, most],
  );
}

const OF_GROUP = "agent = $1 AND state = 'awaiting_batch' AND batch_group = $2";

/** The batch of the group is there. */
export async function batchCreated(db: Queryable, agent: string, group: string, batchId: string): Promise<void> {
  await db.query("batch_created", `UPDATE runs SET batch_id = $3 WHERE ${OF_GROUP} AND batch_id IS NULL`, [
    agent,
    group,
    batchId,
  ]);
}

/** The batch of the group was certainly not created: its runs wait for another one. */
export async function giveUpGroup(db: Queryable, agent: string, group: string): Promise<void> {
  await db.query(
    "give_up_group",
    `UPDATE runs SET batch_group = NULL, batch_submissions = batch_submissions - 1 WHERE ${OF_GROUP} AND batch_id IS NULL`,
    [agent, group],
  );
}

/** The API refuses the batch: each of its runs is to end with that. */
export async function refuseGroup(db: Queryable, agent: string, group: string, refusal: string): Promise<void> {
  await db.query(
    "refuse_group",
    `UPDATE runs SET batch_id = $3, wake_at = now() WHERE ${OF_GROUP} AND batch_id IS NULL`,
    [agent, group, refusal],
  );
}

/** The results of the group are there: any worker may go on with its runs. @returns how many there are */
export async function wakeGroup(db: Queryable, agent: string, group: string): Promise<number> {
  const rows = await db.query(
    "wake_group",
    `UPDATE runs SET wake_at = now() WHERE ${OF_GROUP} AND wake_at IS NULL RETURNING id`,
    [agent, group],
  );
  return rows.length;
}

/** These wait for no batch any more: a worker is to look at them. */
export async function wakeRuns(db: Queryable, runs: string[], seconds: number): Promise<void> {
  await db.query(
    "wake_runs",
    `UPDATE runs SET wake_at = now() + make_interval(secs => $2::float8)
     WHERE id = ANY($1::uuid[]) AND state = 'awaiting_batch' AND batch_group IS NULL`,
    [runs, seconds],
  );
}

/** Runs that are in no batch are to go on without one. */
export async function wakeUnsubmitted(db: Queryable, agent: string): Promise<void> {
  await db.query(
    "wake_unsubmitted",
    `UPDATE runs SET wake_at = now()
     WHERE agent = $1 AND state = 'awaiting_batch' AND batch_group IS NULL AND wake_at IS NULL`,
    [agent],
  );
}

/** How often the run was put into a batch. */
export async function batchSubmissions(db: Queryable, run: string): Promise<number> {
  const rows = await db.query<{ n: number }>(
    "batch_submissions",
    "SELECT batch_submissions::int AS n FROM runs WHERE id = $1",
    [run],
  );
  return rows[0]?.n ?? 0;
}
