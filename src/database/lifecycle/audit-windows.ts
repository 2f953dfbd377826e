import type { Queryable } from "../session.ts";

/** Audit rows that one statement looks at: there is no index on what they say. */
export const AUDIT_WINDOW = 2_000;

/** Numbers as text: the runtime's login may have appended any that is a bigint. */
export interface AuditWindow {
  from: string;
  /** The first row behind it; null: it is the last window. */
  until: string | null;
}

/** Where to begin. */
export const FIRST_AUDIT_ROW = "-9223372036854775808";

/** SQL over a row `a`: whether it is in the window `$3`, `$4`. */
export const IN_WINDOW = "a.seq >= $3::bigint AND ($4::bigint IS NULL OR a.seq < $4::bigint)";

/** The next so many rows that there are. */
export async function auditWindow(client: Queryable, from: string, rows = AUDIT_WINDOW): Promise<AuditWindow> {
  const { rows: found } = await client.query<{ seq: string }>(
    "SELECT seq FROM audit WHERE seq >= $1::bigint ORDER BY seq OFFSET $2 LIMIT 1",
    [from, rows],
  );
  return { from, until: found[0]?.seq ?? null };
}

/** All windows of the log, in order. */
export async function* auditWindows(client: Queryable): AsyncGenerator<AuditWindow> {
  for (let from: string | null = FIRST_AUDIT_ROW; from !== null; ) {
    const window: AuditWindow = await auditWindow(client, from);
    yield window;
    from = window.until;
  }
}
