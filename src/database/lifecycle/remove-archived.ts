import { inBatches } from "./batches.ts";
import { enterSchema } from "./enter-schema.ts";
import { countRemoved, type RetentionWork } from "./retention-work.ts";

const BATCH = 1_000;

/** Deletes originals that compaction put aside before `before`. */
export function removeArchived(work: RetentionWork, before: Date): Promise<void> {
  return inBatches(BATCH, work.signal, (batch) =>
    work.sessions.writeTenant(work.uid, work.epoch, "removing archived messages", async (client, tenant) => {
      await enterSchema(client, tenant, batch);
      const { rowCount } = await client.query(
        `WITH old AS MATERIALIZED (
           SELECT session_id, seq FROM message_archive WHERE archived_at < $1 ORDER BY archived_at LIMIT $2 FOR UPDATE SKIP LOCKED
         ) DELETE FROM message_archive a USING old WHERE a.session_id = old.session_id AND a.seq = old.seq`,
        [before, batch.rows],
      );
      await countRemoved(client, { archivedMessages: rowCount ?? 0 });
      return { more: rowCount === batch.rows };
    }),
  );
}
