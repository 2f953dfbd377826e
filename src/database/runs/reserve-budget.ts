import type { PoolClient } from "pg";
import { type AgentDatabase, ANSWER_MS, type Queryable } from "./database.ts";
import type { Spend } from "./load.ts";
import { OPEN_STATES } from "./run.ts";

/** What is spent or spoken for, of the tenant and of one agent, by UTC day and month. */
export interface BudgetUse {
  tenant: { day: Spend; month: Spend };
  agent: { day: Spend; month: Spend };
  /** What other workers have reserved, of it for the same agent. */
  others: { tenant: Spend; agent: Spend };
}

interface Row {
  scope: "tenant" | "agent";
  day_usd: string;
  day_tokens: string;
  month_usd: string;
  month_tokens: string;
  others_usd: string;
  others_tokens: string;
}

// Settled spend of the month, plus what runs that are not over have spent so far; and what living workers have reserved, and runs in batches.
const USE = `
WITH today AS (
  SELECT (now() AT TIME ZONE 'UTC')::date AS day
), settled AS (
  SELECT agent, u.day = today.day AS is_today, usd, input_tokens + output_tokens + cache_read_tokens + cache_write_tokens AS tokens
  FROM today JOIN usage_daily u ON u.day >= date_trunc('month', today.day)::date AND u.day <= today.day
  UNION ALL
  SELECT agent, true, usd, input_tokens + output_tokens + cache_read_tokens + cache_write_tokens
  FROM runs WHERE state IN ${OPEN_STATES}
), others AS (
  SELECT agent, reserved_usd AS usd, reserved_tokens AS tokens FROM workers WHERE id <> $2 AND expires_at > now()
  UNION ALL
  SELECT agent, batch_usd, batch_tokens FROM runs
  WHERE state IN ${OPEN_STATES} AND batch_group IS NOT NULL
)
SELECT scope.name AS scope, s.*, o.*
FROM (VALUES ('tenant', NULL), ('agent', $1)) AS scope (name, agent)
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(usd) FILTER (WHERE is_today), 0) AS day_usd, coalesce(sum(tokens) FILTER (WHERE is_today), 0) AS day_tokens,
           coalesce(sum(usd), 0) AS month_usd, coalesce(sum(tokens), 0) AS month_tokens
    FROM settled WHERE scope.agent IS NULL OR settled.agent = scope.agent
  ) s
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(usd), 0) AS others_usd, coalesce(sum(tokens), 0) AS others_tokens
    FROM others WHERE scope.agent IS NULL OR others.agent = scope.agent
  ) o`;

const spend = (usd: string, tokens: string): Spend => ({ usd: Number(usd), tokens: Number(tokens) });

function useOf(rows: Row[]): BudgetUse {
  const of = (scope: Row["scope"]) => {
    const row = rows.find((it) => it.scope === scope) as Row;
    return {
      spent: { day: spend(row.day_usd, row.day_tokens), month: spend(row.month_usd, row.month_tokens) },
      others: spend(row.others_usd, row.others_tokens),
    };
  };
  const [tenant, agent] = [of("tenant"), of("agent")];
  return { tenant: tenant.spent, agent: agent.spent, others: { tenant: tenant.others, agent: agent.others } };
}

/** In the place of a worker: nobody's reserve is left out. */
export const NOBODY = "00000000-0000-0000-0000-000000000000";

/** What is spent and reserved now, for whoever only looks. */
export async function budgetUse(db: Queryable, agent: string, worker: string): Promise<BudgetUse> {
  return useOf(await db.query<Row>("budget_use", USE, [agent, worker]));
}

/**
 * What is spent and reserved. Until its transaction ends nobody else looks, and so reserves.
 * @param worker whose own reserve is left out
 */
export async function lockBudget(client: PoolClient, agent: string, worker: string): Promise<BudgetUse> {
  await client.query("SELECT 1 FROM budget FOR UPDATE");
  const { rows } = await client.query<Row>(USE, [agent, worker]);
  return useOf(rows);
}

/**
 * Reserves for a worker what `decide` says, given all that is spent and reserved by then. Workers of the tenant do so one after
 * the other; the lock comes before the look, because a look that waited would see what was there before it waited.
 * @param decide pure; what the worker holds from now on, or undefined to leave it
 */
export async function reserveBudget(
  db: AgentDatabase,
  worker: string,
  agent: string,
  decide: (use: BudgetUse) => Spend | undefined,
): Promise<void> {
  await db.withConnection(async (client: PoolClient) => {
    await client.query("BEGIN");
    const held = decide(await lockBudget(client, agent, worker));
    if (held) {
      await client.query("UPDATE workers SET reserved_usd = $2, reserved_tokens = $3 WHERE id = $1", [
        worker,
        held.usd.toFixed(8),
        Math.ceil(held.tokens),
      ]);
    }
    await client.query("COMMIT");
  }, ANSWER_MS);
}
