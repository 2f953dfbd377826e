import type { Queryable } from "../session.ts";
import { inBatches } from "./batches.ts";
import { enterSchema } from "./enter-schema.ts";
import type { EraseWork } from "./erase-work.ts";
import { deleteSessions, NOTHING_REMOVED, type Removed, sumOf } from "./removed.ts";

const BATCH = 20;

/** Deletes these sessions, with those that their runs opened with other agents, in short transactions. */
export async function eraseSessions(work: EraseWork, ids: string[]): Promise<Removed> {
  let removed = NOTHING_REMOVED;
  let done = 0;
  if (ids.length === 0) return removed;
  await inBatches(BATCH, work.signal, async (batch) => {
    const some = ids.slice(done, done + batch.rows);
    const gone = await work.sessions.writeTenant(work.uid, work.epoch, "erasing sessions", async (client, tenant) => {
      await enterSchema(client, tenant, batch);
      return deleteSessions(client, await holdTree(client, some));
    });
    removed = sumOf(removed, gone);
    done += some.length;
    await work.progress({ stage: "rows", sessionsLeft: ids.length - done, removed });
    return { more: done < ids.length };
  });
  return removed;
}

/**
 * Locks the sessions and then their runs, from the top down, and gives all ids. No run can join a session that is held. A run
 * that is held cannot be written to, and every write of a pod (messages and child runs too) hangs on its run: those that were
 * under way are committed now and seen by the next statement, and later ones will find no run.
 */
async function holdTree(client: Queryable, ids: string[]): Promise<string[]> {
  const held = new Set<string>();
  for (let level = ids; level.length > 0; ) {
    await client.query("SELECT FROM sessions WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", [level]);
    await client.query("SELECT FROM runs WHERE session_id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", [level]);
    for (const id of level) held.add(id);
    const { rows } = await client.query<{ id: string }>(
      `SELECT DISTINCT child.session_id AS id FROM runs r JOIN runs child ON child.parent_run = r.id
       WHERE r.session_id = ANY($1::uuid[])`,
      [level],
    );
    level = rows.map((it) => it.id).filter((id) => !held.has(id));
  }
  return [...held];
}
