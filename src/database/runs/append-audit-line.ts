import { auditLink } from "../lifecycle/audit-link.ts";
import type { Queryable } from "./database.ts";

/** Chains one line to the tenant's audit log, outside of a run's steps. */
export async function appendAuditLine(db: Queryable, line: { at: string; record: string }): Promise<void> {
  await db.query("append_audit_line", `WITH ${auditLink("$1", "$2")} SELECT`, [line.at, line.record]);
}
