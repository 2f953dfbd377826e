import { appendAuditLine } from "../runs/append-audit-line.ts";
import type { Queryable } from "../runs/database.ts";

/** A line of the audit log about what somebody did through the console. `by` is the person, as Kubernetes calls them. */
export function consoleAuditLine(
  tenant: string,
  about: { agent: string; user: string; session: string; run?: string },
  action: string,
  detail: Record<string, unknown>,
  now = new Date(),
): { at: string; record: string } {
  const at = now.toISOString();
  const { agent, user, session, run } = about;
  const record = JSON.stringify({ at, tenant, agent, user, action, ...(run ? { run } : {}), session, ...detail });
  return { at, record: record.replaceAll("\\u0000", "\\ufffd").toWellFormed() };
}

/** Who has looked at what was said. Let it be the last statement of a short transaction: runs of the tenant wait for it. */
export const recordLook = (
  db: Queryable,
  tenant: string,
  by: string,
  session: { id: string; agent: string; user: string },
) =>
  appendAuditLine(
    db,
    consoleAuditLine(tenant, { ...session, session: session.id }, "transcript.viewed", {
      by,
      as: "console",
      success: true,
    }),
  );
