import { setTimeout as sleep } from "node:timers/promises";
import type { Queryable } from "./database.ts";

/** Runs that a living worker works on. */
export const AT_WORK = `state = 'running' AND EXISTS (SELECT 1 FROM workers w WHERE w.id = lease_owner AND w.expires_at > now())`;
/** Living workers beside the one that is `$n`. */
export const othersThan = (worker: string): string =>
  `(SELECT count(*)::int FROM workers w WHERE w.expires_at > now() AND w.id <> ${worker})`;

/** What was counted by a statement that started runs, those not among it. */
export interface Crowd {
  tenant: number;
  agent: number;
  /** Living workers of the tenant beside this one. */
  others: number;
}

/** Runs that one process starts at once, at most: those of one statement that accepts, and of one that claims. */
const MOST_AT_ONCE = 64 + 20;
/** So that two processes that have both put back do not meet again. */
const LONGEST_PAUSE_MS = 40;

/** Whether other processes may start so many at the same moment that together it is more than may work. */
const mayCross = (
  { tenant, agent, others }: Crowd,
  started: number,
  limits: { tenant: number; agent: number },
): boolean => {
  const meanwhile = started + others * MOST_AT_ONCE;
  return others > 0 && (tenant + meanwhile > limits.tenant || agent + meanwhile > limits.agent);
};

/**
 * Statements of several processes that start runs do not see each other's. So near the limit each looks again when its own is
 * committed, before any work, and puts back as many of its runs as there are too many: of those that stay, the last committed has
 * seen all. They are as if their worker had died, and are claimed when there is room.
 * @returns the runs that were put back
 */
export async function putBackExcess(
  db: Queryable,
  { agent, worker, concurrency }: { agent: string; worker: string; concurrency: { tenant: number; agent: number } },
  started: string[],
  crowd: Crowd | undefined,
): Promise<Set<string>> {
  if (!started.length || !crowd || !mayCross(crowd, started.length, concurrency)) return new Set();
  const rows = await db.query<{ id: string }>(
    "put_back_excess",
    `WITH working AS MATERIALIZED (
       SELECT count(*) AS tenant, count(*) FILTER (WHERE agent = $2) AS agent FROM runs WHERE ${AT_WORK}
     )
     UPDATE runs SET lease_owner = NULL, fence = fence + 1
     WHERE lease_owner = $1 AND state = 'running' AND id IN (
       SELECT id FROM unnest($3::uuid[]) AS id ORDER BY id DESC
       LIMIT (SELECT greatest(0, tenant - $4, agent - $5) FROM working))
     RETURNING id`,
    [worker, agent, started, concurrency.tenant, concurrency.agent],
  );
  if (rows.length) await sleep(Math.random() * LONGEST_PAUSE_MS);
  return new Set(rows.map((it) => it.id));
}
