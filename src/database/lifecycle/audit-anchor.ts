import type { Sessions } from "../session.ts";
import type { ChainPoint } from "./audit-chain.ts";

/** Where a tenant's audit log ended when it was last found whole. */
export interface AuditAnchor extends ChainPoint {
  verifiedAt: Date;
}

/** Kept in the operator's registry, which the tenant's logins cannot reach. */
export function auditAnchor(sessions: Sessions, uid: string): Promise<AuditAnchor | undefined> {
  return sessions.read("reading where the audit log was verified to", async (client) => {
    const { rows } = await client.query<{ seq: string; hash: Buffer; verifiedAt: Date }>(
      `SELECT a.seq, a.hash, a.verified_at AS "verifiedAt" FROM agentpg_operator.audit_anchor a
         JOIN agentpg_operator.tenant t ON t.id = a.tenant_id WHERE t.tenant_uid = $1`,
      [uid],
    );
    const [row] = rows;
    return row && { ...row, seq: Number(row.seq) };
  });
}

/** The end of a log that was found whole. It never goes back, but where `anew`. */
export function moveAnchor(
  sessions: Sessions,
  uid: string,
  epoch: number,
  { seq, hash }: ChainPoint,
  anew: boolean,
): Promise<void> {
  return sessions.fenced(epoch, "recording that the audit log is whole", async (client) => {
    await client.query(
      `INSERT INTO agentpg_operator.audit_anchor AS a (tenant_id, seq, hash)
       SELECT id, $2, $3 FROM agentpg_operator.tenant WHERE tenant_uid = $1
       ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, verified_at = now()
         WHERE $4 OR excluded.seq >= a.seq`,
      [uid, seq, hash, anew],
    );
  });
}
