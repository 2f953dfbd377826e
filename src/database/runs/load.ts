import { AT_WORK } from "./put-back.ts";
import type { Queryable } from "./database.ts";
import { OPEN_STATES } from "./run.ts";

/** What the tenant's limits are held against, over all its agents and pods. */
export interface TenantLoad {
  /** Runs that users started since `since`, of the tenant and of this agent; counted up to the cap. */
  recentRuns: { tenant: number; agent: number };
  /** Runs that workers other than this one hold now, by agent, and runs that wait for a worker. */
  agents: Map<string, { runningElsewhere: number; queued: number }>;
  day: Spend;
  month: Spend;
}
export interface Spend {
  usd: number;
  tokens: number;
}
export const NO_SPEND: Readonly<Spend> = { usd: 0, tokens: 0 };

interface Row {
  recent: string;
  recent_of_agent: string;
  agents: { agent: string; running: number; queued: number }[] | null;
  day_usd: string;
  day_tokens: string;
  month_usd: string;
  month_tokens: string;
}

/**
 * @param since a UUIDv7 of the moment: ids sort by time, so the primary key answers
 * @param cap counting stops there
 */
export async function tenantLoad(
  db: Queryable,
  load: { agent: string; worker: string; since: string; cap: number },
): Promise<TenantLoad> {
  const [row] = await db.query<Row>(
    "tenant_load",
    `SELECT r.*, o.*,
            coalesce(sum(usd) FILTER (WHERE day = today), 0) AS day_usd,
            coalesce(sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens) FILTER (WHERE day = today), 0) AS day_tokens,
            coalesce(sum(usd), 0) AS month_usd,
            coalesce(sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens), 0) AS month_tokens
     FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS today) t
       CROSS JOIN (
         SELECT count(*) AS recent, count(*) FILTER (WHERE agent = $1) AS recent_of_agent
         FROM (SELECT agent FROM runs WHERE id >= $3 AND parent_run IS NULL LIMIT $4) recent
       ) r
       CROSS JOIN (
         SELECT jsonb_agg(by_agent) AS agents FROM (
           SELECT agent, count(*) FILTER (WHERE lease_owner <> $2 AND ${AT_WORK}) AS running,
                  count(*) FILTER (WHERE state = 'pending') AS queued
           FROM runs WHERE state IN ${OPEN_STATES} GROUP BY agent
         ) by_agent
       ) o
       LEFT JOIN usage_daily ON day >= date_trunc('month', today)::date AND day <= today
     GROUP BY recent, recent_of_agent, agents`,
    [load.agent, load.worker, load.since, load.cap],
  );
  const it = row as Row;
  return {
    recentRuns: { tenant: Number(it.recent), agent: Number(it.recent_of_agent) },
    agents: new Map(
      (it.agents ?? []).map(({ agent, running, queued }) => [agent, { runningElsewhere: running, queued }]),
    ),
    day: { usd: Number(it.day_usd), tokens: Number(it.day_tokens) },
    month: { usd: Number(it.month_usd), tokens: Number(it.month_tokens) },
  };
}

/** The version that the tenant's schema is at; undefined when the migration runner has not been here. */
export async function schemaVersion(db: Queryable): Promise<number | undefined> {
  try {
    const rows = await db.query<{ version: number | null }>(
      "schema_version",
      "SELECT max(version)::integer AS version FROM schema_version",
    );
    return rows[0]?.version ?? undefined;
  } catch (error) {
    if ((error as { code?: string }).code === "42P01") return undefined;
    throw error;
  }
}
