import type { SecurityCheck } from "../../api/security-checks.ts";

/** So often the rows get a new time although nothing changed: a reader sees that somebody still looks. */
const RENEW_MS = 24 * 3_600_000;

const isSame = (a: Omit<SecurityCheck, "checkedAt">, b: Omit<SecurityCheck, "checkedAt">): boolean =>
  a.status === b.status && a.reason === b.reason && a.message === b.message;

/**
 * The rows after a look: a row that is as it was keeps its time, so that a settled tenant is not written; but once a day all are
 * renewed together. Pure.
 */
export function renewRows(
  before: readonly SecurityCheck[],
  found: readonly Omit<SecurityCheck, "checkedAt">[],
  now: Date,
): SecurityCheck[] {
  const at = now.toISOString().replace(/\.\d+Z$/, "Z");
  const old = new Map(before.map((it) => [it.name, it]));
  const isStale = before.some((it) => now.getTime() - Date.parse(it.checkedAt) >= RENEW_MS);
  return found.map((row) => {
    const known = old.get(row.name);
    return { ...row, checkedAt: known && !isStale && isSame(known, row) ? known.checkedAt : at };
  });
}

/** The rows that failed and had not failed before. */
export const newlyFailed = (before: readonly SecurityCheck[], after: readonly SecurityCheck[]): SecurityCheck[] =>
  after.filter(({ name, status }) => status === "Failed" && before.find((it) => it.name === name)?.status !== "Failed");
