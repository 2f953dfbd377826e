import type { TenantDatabase } from "../../database/tenants.ts";

/** What one look at the audit log found. */
export interface AuditLook {
  /** What is wrong with it, or undefined. */
  fault: string | undefined;
  /** false: nothing was ever written. */
  begun: boolean;
  /** Where the next look goes on with old rows. */
  next: number;
}

/**
 * Verifies what came since the log was last found whole, and old rows in turn. A log that was broken is whole again only when all of it
 * is: a round over other rows would not see the fault. @throws DatabaseError
 */
export async function auditLook(
  { lifecycle, security }: Pick<TenantDatabase, "lifecycle" | "security">,
  uid: string,
  epoch: number,
  before: { isBroken: boolean; next: number },
  signal: AbortSignal,
): Promise<AuditLook> {
  const from = before.isBroken ? "start" : "anchor";
  const { faults, head } = await lifecycle.verifyAudit({ uid }, epoch, { from, signal });
  const patrol = await security.patrolAudit({ uid }, before.next);
  return { fault: faults[0]?.message ?? patrol.fault, begun: head.seq > 0, next: patrol.next };
}
