import { AuditChainBroken } from "../errors.ts";
import type { TenantRecord } from "../registry.ts";
import type { Queryable } from "../session.ts";
import { type AuditLink, type ChainPoint, linkFault } from "./audit-chain.ts";
import { inBatches } from "./batches.ts";
import { enterSchema } from "./enter-schema.ts";
import { countRemoved, type RetentionWork } from "./retention-work.ts";

const BATCH = 500;

/**
 * Deletes audit rows that are older than `before`, from the front only and no further than the first that is younger, and moves
 * the beginning of the chain along. Each row's link is checked before it goes: retention does not destroy traces.
 * @throws AuditChainBroken
 */
export function removeAuditRows(work: RetentionWork, before: Date): Promise<void> {
  return inBatches(BATCH, work.signal, (batch) =>
    work.sessions.writeTenant(work.uid, work.epoch, "removing audit rows", async (client, tenant) => {
      await enterSchema(client, tenant, batch);
      const old = await frontRows(client, before, batch.rows);
      const last = old.rows.at(-1);
      if (!last) return { more: false };
      checkLinks(tenant, old.start, old.rows);
      await client.query("DELETE FROM audit WHERE seq > $1 AND seq <= $2", [old.start.seq, last.seq]);
      await client.query("UPDATE lifecycle SET audit_start_seq = $1, audit_start_hash = $2", [last.seq, last.hash]);
      await countRemoved(client, { auditRows: old.rows.length });
      return { more: old.rows.length === batch.rows };
    }),
  );
}

async function frontRows(
  client: Queryable,
  before: Date,
  limit: number,
): Promise<{ start: ChainPoint; rows: AuditLink[] }> {
  const start = await chainStart(client);
  // The runtime's login chose what is in these rows, and how much: only what fits into a few bytes leaves the server.
  const { rows } = await client.query<{ seq: string; old: boolean; prevHash: Buffer; hash: Buffer; textFits: boolean }>(
    `SELECT seq, at < $3 AS old, substr(prev_hash, 1, 33) AS "prevHash", substr(hash, 1, 33) AS hash,
            record LIKE '{"erased"%' OR sha256(prev_hash || convert_to(record, 'UTF8')) = hash AS "textFits"
       FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2`,
    [start.seq, limit, before],
  );
  const young = rows.findIndex((it) => !it.old);
  const old = young < 0 ? rows : rows.slice(0, young);
  return { start, rows: old.map((it) => ({ ...it, seq: Number(it.seq) })) };
}

/** Where the chain begins: the last row that retention removed. */
export async function chainStart(client: Queryable): Promise<ChainPoint> {
  const { rows } = await client.query<{ seq: string; hash: Buffer }>(
    "SELECT audit_start_seq AS seq, audit_start_hash AS hash FROM lifecycle",
  );
  return { seq: Number(rows[0]?.seq ?? 0), hash: rows[0]?.hash ?? Buffer.alloc(32) };
}

function checkLinks(tenant: TenantRecord, start: ChainPoint, rows: AuditLink[]): void {
  let previous = start;
  for (const row of rows) {
    const fault = linkFault(previous, row);
    if (fault)
      throw new AuditChainBroken(
        `the audit log of Tenant ${tenant.name} was tampered with (${fault.message}): retention leaves it as it is; compare it with a backup and find out who had a superuser's or the owner's rights`,
      );
    previous = row;
  }
}
