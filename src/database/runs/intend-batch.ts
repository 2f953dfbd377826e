import { type AgentDatabase, ANSWER_MS, type Queryable } from "./database.ts";
import type { Spend } from "./load.ts";
import { type BudgetUse, lockBudget, NOBODY } from "./reserve-budget.ts";

/** A run, and what its answer may cost at most. */
export interface IntendedRun extends Spend {
  id: string;
}

const INTEND = `
WITH chosen AS MATERIALIZED (
  SELECT r.id, i.usd, i.tokens
  FROM jsonb_to_recordset($3::jsonb) AS i (id uuid, usd numeric, tokens bigint) JOIN runs r ON r.id = i.id
  WHERE r.agent = $1 AND r.state = 'awaiting_batch' AND r.batch_group IS NULL AND r.wake_at IS NULL AND NOT r.cancel_requested
  ORDER BY r.id FOR UPDATE OF r SKIP LOCKED
)
UPDATE runs SET batch_group = $2, batch_id = NULL, batch_submitted_at = now(), batch_submissions = batch_submissions + 1,
  batch_usd = chosen.usd, batch_tokens = chosen.tokens
FROM chosen WHERE runs.id = chosen.id
RETURNING runs.id`;

/**
 * Notes that these runs are about to be submitted as `group`. Once this is committed nobody else submits them.
 * @returns those of them that are in the group now
 */
export async function intendBatch(db: Queryable, agent: string, group: string, runs: IntendedRun[]): Promise<string[]> {
  const rows = await db.query<{ id: string }>("intend_batch", INTEND, [agent, group, JSON.stringify(runs)]);
  return rows.map((it) => it.id);
}

/** The same for those of the runs that the budgets have room for. @param choose pure; given all that is spent and reserved */
export async function intendWithinBudget(
  db: AgentDatabase,
  agent: string,
  group: string,
  choose: (use: BudgetUse) => IntendedRun[],
): Promise<string[]> {
  return db.withConnection(async (client) => {
    await client.query("BEGIN");
    const chosen = choose(await lockBudget(client, agent, NOBODY));
    const { rows } = await client.query<{ id: string }>(INTEND, [agent, group, JSON.stringify(chosen)]);
    await client.query("COMMIT");
    return rows.map((it) => it.id);
  }, ANSWER_MS);
}
