import { DatabaseBusy } from "../errors.ts";
import { type Batch, inBatches } from "./batches.ts";
import { enterSchema } from "./enter-schema.ts";
import { deleteSessions } from "./removed.ts";
import { countRemoved, type RetentionWork } from "./retention-work.ts";

/** Sessions that one look goes over, and that one transaction deletes at most. */
const LOOK = 1_000;
const BATCH = 50;

/** Ids are UUIDv7: the smallest that can have been made at this moment. */
export function lowestId(at: Date): string {
  const hex = at.getTime().toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/**
 * Over a session `s`: idle since $2 ($3: the lowest id of that moment). The first look at the runs answers for those in use
 * from the end of an index; a child session stays while the run that asked for it goes on.
 */
const IDLE = `s.created_at < $2
  AND NOT EXISTS (SELECT FROM runs r WHERE r.session_id = s.id AND r.id >= $3)
  AND NOT EXISTS (SELECT FROM runs r WHERE r.session_id = s.id
                   AND (r.finished_at IS NULL OR r.finished_at >= $2 OR r.created_at >= $2))
  AND NOT EXISTS (SELECT FROM runs p WHERE p.id = s.parent_run AND p.finished_at IS NULL)`;

/**
 * Deletes the sessions in which no run was created or finished since `before`, and none is open.
 *
 * A run that comes at the same moment: the insert of a run holds its session's row (FOR KEY SHARE, by the foreign key) until
 * it commits. Rows that are held so are skipped here. Once we hold a row, the runs are looked at again by a new statement,
 * which sees every run that was committed; and a run that comes later waits, finds no session, and is refused. So there is
 * never a run without its session.
 */
export async function removeIdleSessions(work: RetentionWork, before: Date): Promise<void> {
  const stuck: DatabaseBusy[] = [];
  for (let after = "00000000-0000-0000-0000-000000000000"; ; ) {
    const seen = await lookAtSessions(work, before, after);
    const last = seen.at(-1);
    if (!last) break;
    await removeThose(
      work,
      before,
      seen.filter((it) => it.idle).map((it) => it.id),
      stuck,
    );
    after = last.id;
  }
  if (stuck[0]) throw stuck[0];
}

function lookAtSessions(work: RetentionWork, before: Date, after: string): Promise<{ id: string; idle: boolean }[]> {
  return work.sessions.readTenant(work.uid, "looking for idle sessions", async (client, tenant) => {
    await enterSchema(client, tenant);
    const { rows } = await client.query<{ id: string; idle: boolean }>(
      `WITH s AS MATERIALIZED (
         SELECT id, created_at, parent_run FROM sessions WHERE id > $1 AND id < $3 ORDER BY id LIMIT ${LOOK}
       ) SELECT s.id, ${IDLE} AS idle FROM s ORDER BY s.id`,
      [after, before, lowestId(before)],
    );
    return rows;
  });
}

/** @param stuck gets the failures of sessions that cannot be deleted at this time: they do not hold up the others */
async function removeThose(work: RetentionWork, before: Date, ids: string[], stuck: DatabaseBusy[]): Promise<void> {
  if (ids.length === 0) return;
  let done = 0;
  await inBatches(BATCH, work.signal, async (batch) => {
    const some = ids.slice(done, done + batch.rows);
    await removeSome(work, before, some, batch).catch((error: unknown) => {
      if (!(error instanceof DatabaseBusy) || batch.rows > 1) throw error;
      stuck.push(error);
    });
    done += some.length;
    return { more: done < ids.length };
  });
}

function removeSome(work: RetentionWork, before: Date, ids: string[], batch: Batch): Promise<void> {
  return work.sessions.writeTenant(work.uid, work.epoch, "removing idle sessions", async (client, tenant) => {
    await enterSchema(client, tenant, batch);
    const held = await client.query<{ id: string }>(
      "SELECT id FROM sessions WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED",
      [ids],
    );
    const free = held.rows.map((it) => it.id);
    await countRemoved(client, await deleteSessions(client, free, IDLE, [before, lowestId(before)]));
  });
}
