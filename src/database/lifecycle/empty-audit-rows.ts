import { AUDIT_WINDOW, auditWindow, FIRST_AUDIT_ROW, IN_WINDOW } from "./audit-windows.ts";
import { enterSchema } from "./enter-schema.ts";
import type { EraseWork } from "./erase-work.ts";
import { AUDIT_OF_SUBJECT, auditValues, IS_READABLE, type Subject } from "./subject.ts";
import { inBatches } from "./batches.ts";

const EMPTY = `UPDATE audit a SET record = (
    SELECT format('{"erased":%s,"at":%s,"agent":%s,"action":%s}', to_json($5::text), coalesce((r->'at')::text, 'null'),
                  coalesce((r->'agent')::text, 'null'), coalesce((r->'action')::text, 'null'))
    FROM (SELECT CASE WHEN ${IS_READABLE} THEN a.record::jsonb END AS r) it)
  WHERE ${IN_WINDOW} AND ${AUDIT_OF_SUBJECT}`;

/**
 * Replaces the text of the subject's audit rows by a tombstone that names the erasure and keeps only when, which agent and what
 * kind of action. The rows keep their hashes, so the chain can still be verified (`audit-chain.ts`). Gives how many.
 */
export async function emptyAuditRows(
  work: EraseWork,
  subject: Subject,
  sessionIds: string[],
  erasure: string,
): Promise<number> {
  const values = auditValues(subject, sessionIds);
  let emptied = 0;
  let looked = 0;
  let from = FIRST_AUDIT_ROW;
  await inBatches(AUDIT_WINDOW, work.signal, async (batch) => {
    const next = await work.sessions.writeTenant(
      work.uid,
      work.epoch,
      "emptying audit rows",
      async (client, tenant) => {
        await enterSchema(client, tenant, batch);
        const { until } = await auditWindow(client, from, batch.rows);
        const { rowCount } = await client.query(EMPTY, [...values, from, until, erasure]);
        emptied += rowCount ?? 0;
        return until;
      },
    );
    looked += batch.rows;
    await work.progress({ stage: "audit", looked });
    from = next ?? from;
    return { more: next !== null };
  });
  return emptied;
}
