import type { Queryable } from "./database.ts";
import type { Spend } from "./load.ts";

/** What the runs have spent so far that a run asked other agents for, and the runs that those asked for. */
export async function spendOfChildren(db: Queryable, runId: string): Promise<Spend> {
  const [row] = await db.query<{ usd: string; tokens: string }>(
    "spend_of_children",
    `WITH RECURSIVE tree AS (
       SELECT id, usd, input_tokens + output_tokens + cache_read_tokens + cache_write_tokens AS tokens FROM runs WHERE parent_run = $1
       UNION ALL
       SELECT r.id, r.usd, r.input_tokens + r.output_tokens + r.cache_read_tokens + r.cache_write_tokens
       FROM tree JOIN runs r ON r.parent_run = tree.id
     ) SELECT coalesce(sum(usd), 0) AS usd, coalesce(sum(tokens), 0) AS tokens FROM tree`,
    [runId],
  );
  return { usd: Number(row?.usd), tokens: Number(row?.tokens) };
}
