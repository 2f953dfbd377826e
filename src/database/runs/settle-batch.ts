import type { Queryable } from "./database.ts";
import type { Tokens } from "./run.ts";
import { storableJson } from "./storable.ts";

/** What a request of a batch has cost whose run did not wait for the answer. */
export interface LateSpend {
  run: string;
  tokens: Tokens;
  usd: number;
}

/**
 * Counts what was spent for cancelled runs of a batch, as run's and as the day's spend. Sent again it counts nothing twice: a run
 * that was counted is in no batch any more.
 */
export async function settleCancelled(db: Queryable, group: string, spends: LateSpend[]): Promise<void> {
  await db.query(
    "settle_cancelled",
    `WITH item AS MATERIALIZED (
       SELECT run, usd, (tokens->>'input')::bigint AS input, (tokens->>'output')::bigint AS output,
              (tokens->>'cacheRead')::bigint AS cache_read, (tokens->>'cacheWrite')::bigint AS cache_write
       FROM jsonb_to_recordset($2::jsonb) AS i (run uuid, usd numeric, tokens jsonb)
     ), settled AS (
       UPDATE runs r SET batch_group = NULL, batch_id = NULL, usd = r.usd + i.usd,
         input_tokens = r.input_tokens + i.input, output_tokens = r.output_tokens + i.output,
         cache_read_tokens = r.cache_read_tokens + i.cache_read, cache_write_tokens = r.cache_write_tokens + i.cache_write
       FROM item i WHERE r.id = i.run AND r.batch_group = $1 AND r.state = 'cancelled'
       RETURNING r.agent, r.model, i.*
     )
     INSERT INTO usage_daily AS u (day, agent, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, usd)
     SELECT (now() AT TIME ZONE 'UTC')::date, agent, model, sum(input), sum(output), sum(cache_read), sum(cache_write), sum(usd)
     FROM settled GROUP BY agent, model HAVING sum(usd) > 0
     ON CONFLICT (day, agent, model) DO UPDATE SET
       input_tokens = u.input_tokens + excluded.input_tokens, output_tokens = u.output_tokens + excluded.output_tokens,
       cache_read_tokens = u.cache_read_tokens + excluded.cache_read_tokens,
       cache_write_tokens = u.cache_write_tokens + excluded.cache_write_tokens, usd = u.usd + excluded.usd`,
    [group, storableJson(spends)],
  );
}

/** Batches in which there are cancelled runs that may have cost something. @param since a UUIDv7: runs that are older are left out */
export function batchesOfCancelled(
  db: Queryable,
  agent: string,
  since: string,
): Promise<{ group: string; batchId: string }[]> {
  return db.query(
    "batches_of_cancelled",
    `SELECT DISTINCT batch_group AS "group", batch_id AS "batchId" FROM runs
     WHERE id >= $2 AND agent = $1 AND state = 'cancelled' AND batch_group IS NOT NULL AND batch_id IS NOT NULL`,
    [agent, since],
  );
}

/** Whether no run waits for the group any more. */
export async function groupIsLeft(db: Queryable, agent: string, group: string): Promise<boolean> {
  const rows = await db.query(
    "group_is_left",
    `SELECT 1 FROM runs WHERE agent = $1 AND state IN ('running', 'awaiting_batch') AND batch_group = $2 LIMIT 1`,
    [agent, group],
  );
  return rows.length === 0;
}
