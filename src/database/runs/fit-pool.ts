import { setTimeout as sleep } from "node:timers/promises";
import type { Pool, PoolClient } from "pg";
import { hasCode, SQLSTATE } from "../sqlstate.ts";

/** How many connections a pool may have, and how many it keeps. */
export interface PoolSize {
  max: number;
  min: number;
  /** How long an idle one is kept, in milliseconds. */
  idleMs: number;
}

/** How long a call waits for a connection that the server does not give, in milliseconds: as long as for one that is in use. */
const PATIENCE_MS = 10_000;

/** Gives a pool that is in use another size: closes idle connections that are too many, opens those that are missing. Never throws. */
export async function fitPool(pool: Pool, { max, min, idleMs }: PoolSize): Promise<void> {
  const { options } = pool;
  const isShorter = idleMs < (options.idleTimeoutMillis ?? 0);
  options.idleTimeoutMillis = idleMs;
  options.max = Math.max(1, max);
  options.min = Math.min(min, options.max);
  try {
    while (pool.totalCount > options.max && pool.idleCount > 0 && !pool.ending) (await pool.connect()).release(true);
    // The time of what is idle now began under the old limit.
    if (isShorter) await holdAndRelease(pool, pool.idleCount);
    await openMissing(pool, options.min - pool.totalCount);
  } catch {
    // What could not be done now is tried again with the next fitting.
  }
}

/** pg-pool's `min` only keeps what is open already. A new connection is opened only while no idle one is left: so all are held. */
async function openMissing(pool: Pool, missing: number): Promise<void> {
  if (missing <= 0 || pool.ending) return;
  await holdAndRelease(pool, pool.idleCount + missing);
}

async function holdAndRelease(pool: Pool, count: number): Promise<void> {
  const wanted = Array.from({ length: count }, () => pool.connect());
  const given = await Promise.allSettled(wanted);
  const clients = given.flatMap((it): PoolClient[] => (it.status === "fulfilled" ? [it.value] : []));
  for (const client of clients) client.release();
}

/**
 * Runs `work` again while the server gives no further connection (53300): nothing was sent then. The pool stays as small as
 * the server lets it be until it is fitted anew, so that calls wait for connections that there are.
 * @throws what `work` throws, also when it goes on for too long
 */
export async function whenThereIsRoom<T>(pool: Pool, work: () => Promise<T>): Promise<T> {
  const until = Date.now() + PATIENCE_MS;
  for (let delay = 50; ; delay = Math.min(delay * 2, 1000)) {
    try {
      return await work();
    } catch (error) {
      if (!hasCode(error, SQLSTATE.tooManyConnections) || Date.now() + delay > until) throw error;
      pool.options.max = Math.max(1, pool.totalCount);
      await sleep(delay * (0.5 + Math.random()));
    }
  }
}
