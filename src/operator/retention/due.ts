import { shareOf } from "../share-of.ts";

/** All times in milliseconds. */
export interface RetentionSchedule {
  /** Between two runs of one tenant. */
  intervalMs: number;
  /** After the operator has started to lead, for tenants that are due by then. */
  firstAfterMs: number;
  /** After a run that failed. */
  retryMs: number;
}

export interface RetentionHistory {
  /** The last run that succeeded. */
  lastRun?: number | undefined;
  /** The last one that failed, if none succeeded since. */
  failedAt?: number | undefined;
}

/** When a tenant's next run is due: an interval after the last (give or take a tenth), never at once after a start. Pure. */
export function dueAt(
  { lastRun, failedAt }: RetentionHistory,
  { intervalMs, firstAfterMs, retryMs }: RetentionSchedule,
  uid: string,
  leadingSince: number,
): number {
  if (failedAt !== undefined) return failedAt + retryMs;
  const share = shareOf(uid);
  const first = leadingSince + firstAfterMs * (0.5 + share);
  return lastRun === undefined ? first : Math.max(first, lastRun + intervalMs * (0.9 + 0.2 * share));
}

/** The schedule that the operator's configuration asks for. */
export const retentionSchedule = (config: {
  intervalSeconds: number;
  firstAfterSeconds: number;
}): RetentionSchedule => ({
  intervalMs: config.intervalSeconds * 1000,
  firstAfterMs: config.firstAfterSeconds * 1000,
  retryMs: Math.max(60_000, (config.intervalSeconds * 1000) / 24),
});
