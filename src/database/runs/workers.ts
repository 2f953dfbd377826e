import { ANSWER_MS, type Queryable } from "./database.ts";
import { OPEN_STATES } from "./run.ts";

/** What a runtime process says of itself; the operator reads it (`src/database/worker-reports.ts`). */
export interface WorkerReport {
  pod: string;
  /** The revision of the database credentials in use. */
  credentials: string;
  /** The generations of data keys that it can read transcripts with. */
  transcriptKeys?: number[];
  /** What keeps it from answering: an unknown model, a refused key. */
  problem: { reason: string; message: string } | null;
  /** What it proved of itself. */
  security?: {
    config: string;
    tools: { all: number; refusing: number };
    errorsRedacted: boolean | null;
    limits: { runsPerMinute: number; concurrentRuns: number };
    encrypts: boolean;
    /** `Off`, `Redact` or `Block`. */
    pii: string;
  };
}

export interface HeldRun {
  id: string;
  fence: number;
  cancelRequested: boolean;
}

/**
 * Says that the worker is alive, which keeps its leases on all its runs; gives the runs that it holds. A connection on which that
 * gets no answer for as long as the leases held is given up.
 * @param leaseSeconds how long the leases hold from now on
 */
export async function renewLeases(
  db: Queryable,
  worker: string,
  agent: string,
  leaseSeconds: number,
  report: WorkerReport,
): Promise<HeldRun[]> {
  return db.query<HeldRun>(
    "renew_leases",
    `WITH alive AS (
       INSERT INTO workers (id, agent, expires_at, report) VALUES ($1, $2, now() + make_interval(secs => $3::float8), $4::jsonb)
       ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, report = excluded.report
     ), gone AS (
       DELETE FROM workers WHERE agent = $2 AND expires_at < now() - interval '1 hour'
     )
     SELECT id, fence, cancel_requested AS "cancelRequested" FROM runs
     WHERE agent = $2 AND lease_owner = $1
       AND state IN ${OPEN_STATES}`,
    [worker, agent, leaseSeconds, JSON.stringify(report)],
    Math.min(ANSWER_MS, leaseSeconds * 1000),
  );
}

/** The worker is gone: whatever it still held may be taken at once. */
export async function endWorker(db: Queryable, worker: string): Promise<void> {
  await db.query("end_worker", "DELETE FROM workers WHERE id = $1", [worker]);
}
