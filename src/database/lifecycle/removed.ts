import type { Queryable } from "../session.ts";

/** Rows by kind. */
export interface Removed {
  sessions: number;
  runs: number;
  messages: number;
  toolExecutions: number;
  archivedMessages: number;
  auditRows: number;
}
export type RemovedKind = keyof Removed;

export const NOTHING_REMOVED: Removed = {
  sessions: 0,
  runs: 0,
  messages: 0,
  toolExecutions: 0,
  archivedMessages: 0,
  auditRows: 0,
};

export const sumOf = (a: Removed, b: Partial<Removed>): Removed => {
  const sum = { ...a };
  for (const kind of Object.keys(NOTHING_REMOVED) as RemovedKind[]) sum[kind] += b[kind] ?? 0;
  return sum;
};

export const isNothing = (removed: Partial<Removed>): boolean => Object.values(removed).every((it) => it === 0);

/**
 * Deletes these sessions with all that hangs on them. The caller holds their rows, so that no run can join meanwhile.
 * One statement: what hangs on a session is found before it goes. `condition` is SQL of this folder over the session `s`.
 */
export async function deleteSessions(
  client: Queryable,
  ids: string[],
  condition = "true",
  values: unknown[] = [],
): Promise<Removed> {
  const { rows } = await client.query<Record<keyof Removed, string>>(
    `WITH doomed AS MATERIALIZED (
       SELECT s.id FROM sessions s WHERE s.id = ANY($1::uuid[]) AND ${condition}
     ), x AS (
       DELETE FROM tool_executions t USING runs r, doomed d WHERE r.session_id = d.id AND t.run_id = r.id RETURNING 1
     ), m AS (
       DELETE FROM messages m USING doomed d WHERE m.session_id = d.id RETURNING 1
     ), a AS (
       DELETE FROM message_archive a USING doomed d WHERE a.session_id = d.id RETURNING 1
     ), r AS (
       DELETE FROM runs r USING doomed d WHERE r.session_id = d.id RETURNING 1
     ), s AS (
       DELETE FROM sessions s USING doomed d WHERE s.id = d.id RETURNING 1
     )
     SELECT (SELECT count(*) FROM s) AS sessions, (SELECT count(*) FROM r) AS runs, (SELECT count(*) FROM m) AS messages,
            (SELECT count(*) FROM x) AS "toolExecutions", (SELECT count(*) FROM a) AS "archivedMessages", 0 AS "auditRows"`,
    [ids, ...values],
  );
  return numbers(rows[0]);
}

export const numbers = (row: Partial<Record<keyof Removed, string | number>> | undefined): Removed => {
  const out = { ...NOTHING_REMOVED };
  for (const kind of Object.keys(out) as RemovedKind[]) out[kind] = Number(row?.[kind] ?? 0);
  return out;
};
