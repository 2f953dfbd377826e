import { z } from "zod";
import type { ConsoleAudit, ConsoleAuditRow } from "../../api/console.ts";
import { auditEnd, type AuditLine, auditPage } from "../../database/console/audit.ts";
import type { Route } from "./call.ts";
import { queryOf } from "./input.ts";
import type { TenantData } from "./tenant-data.ts";

const page = z.strictObject({
  before: z.coerce.number().int().min(1).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** A line of the log for reading. One that is no JSON, or was cut, is shown as it is. Pure. */
export function shownRow({ seq, at, record, intact }: AuditLine): ConsoleAuditRow {
  let parsed: unknown;
  try {
    parsed = JSON.parse(record);
  } catch {
    parsed = undefined;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    return { seq, at, action: "unreadable", agent: null, user: null, detail: record, intact };
  const { at: _at, tenant: _tenant, action, agent, user, ...rest } = parsed as Record<string, unknown>;
  const what = text(action) ?? ("erased" in rest ? "erased" : "unreadable");
  return {
    seq,
    at,
    action: what,
    agent: text(agent),
    user: text(user),
    detail: JSON.stringify(rest, undefined, 2),
    intact,
  };
}

/** The tenant's audit log, the newest line first, and how far it is known to be whole. */
export function auditRoutes(data: TenantData): Route[] {
  return [
    {
      method: "GET",
      path: "/tenants/:tenant/audit",
      right: "audit",
      async answer({ params, query }): Promise<ConsoleAudit> {
        const { before = null, limit } = queryOf(page, query);
        const tenant = params["tenant"] ?? "";
        const anchor = await data.anchor(tenant);
        return data.rows(tenant, "reading the audit log", async (db) => {
          const lines = await auditPage(db, before, limit);
          return {
            items: lines.map(shownRow),
            next: lines.length === limit ? (lines.at(-1)?.seq ?? null) : null,
            head: await auditEnd(db),
            verified: anchor ? { seq: anchor.seq, at: anchor.verifiedAt.toISOString() } : null,
          };
        });
      },
    },
  ];
}
