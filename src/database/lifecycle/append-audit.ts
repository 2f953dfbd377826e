import { AuditChainBroken } from "../errors.ts";
import type { Queryable } from "../session.ts";
import { hasCode, SQLSTATE } from "../sqlstate.ts";
import { auditLink } from "./audit-link.ts";

/** What an audit row tells beside its time and tenant. */
export interface AuditDetail {
  action: string;
  [more: string]: unknown;
}

/**
 * Appends a row of the operator's to the tenant's audit chain. Runs of the tenant wait for it until the transaction ends: let it be
 * the last statement of a short one.
 */
export async function appendAudit(client: Queryable, tenant: string, detail: AuditDetail): Promise<void> {
  const at = new Date().toISOString();
  const record = JSON.stringify({ at, tenant, agent: null, user: null, ...detail });
  const appended = client.query(`WITH ${auditLink("$1", "$2")} SELECT`, [
    at,
    record.replaceAll("\\u0000", "\\ufffd").toWellFormed(),
  ]);
  await appended.catch((error: unknown) => {
    if (!hasCode(error, SQLSTATE.uniqueViolation, "22003")) throw error;
    throw new AuditChainBroken(
      `the audit log of Tenant ${tenant} takes no further row: somebody appended to it or moved its head by hand (table audit_head); as a superuser, keep a copy, take the rows out that do not belong, set the head to the last that does, and try again`,
    );
  });
}
