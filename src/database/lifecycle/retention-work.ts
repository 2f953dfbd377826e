import type { Queryable, Sessions } from "../session.ts";
import { isNothing, numbers, type Removed, sumOf } from "./removed.ts";

/** What each part of a retention run works with. */
export interface RetentionWork {
  sessions: Sessions;
  uid: string;
  epoch: number;
  signal: AbortSignal;
}

/** Adds to what no audit row tells of yet, in the transaction that removes. */
export async function countRemoved(client: Queryable, removed: Partial<Removed>): Promise<void> {
  if (isNothing(removed)) return;
  const sum = sumOf(await uncounted(client), removed);
  await client.query("UPDATE lifecycle SET removed = $1::jsonb", [JSON.stringify(sum)]);
}

/** What was removed since the last audit row about it. The row is the operator's own: nobody on the hot path waits for it. */
export async function uncounted(client: Queryable): Promise<Removed> {
  const { rows } = await client.query<{ removed: Partial<Record<keyof Removed, number>> }>(
    "SELECT removed FROM lifecycle FOR UPDATE",
  );
  return numbers(rows[0]?.removed);
}
