import { AuditChainBroken } from "../errors.ts";
import type { Queryable } from "../session.ts";
import { hasCode, SQLSTATE } from "../sqlstate.ts";

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
  const appended = client.query(
    `WITH head AS MATERIALIZED (
       SELECT seq, hash FROM audit_head FOR UPDATE
     ), link AS MATERIALIZED (
       SELECT seq + 1 AS seq, hash AS prev_hash, sha256(hash || convert_to($2, 'UTF8')) AS hash FROM head
     ), appended AS (
       INSERT INTO audit (seq, at, prev_hash, hash, record) SELECT seq, $1::timestamptz, prev_hash, hash, $2 FROM link
     )
     UPDATE audit_head h SET seq = link.seq, hash = link.hash FROM link`,
    [at, record.replaceAll("\\u0000", "\\ufffd").toWellFormed()],
  );
  await appended.catch((error: unknown) => {
    if (!hasCode(error, SQLSTATE.uniqueViolation, "22003")) throw error;
    throw new AuditChainBroken(
      `the audit log of Tenant ${tenant} takes no further row: somebody appended to it or moved its head by hand (table audit_head); as a superuser, keep a copy, take the rows out that do not belong, set the head to the last that does, and try again`,
    );
  });
}
