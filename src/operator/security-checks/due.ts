import { shareOf } from "../share-of.ts";

/** All in milliseconds. */
export interface CheckSchedule {
  intervalMs: number;
  firstAfterMs: number;
}

/**
 * When a tenant is looked at next: an interval after the last look of this process. The first look of a new tenant comes soon; that
 * of one which has rows already is somewhere in the first interval, so that a start is no rush. Pure.
 */
export function dueAt(
  tenant: { uid: string; hasRows: boolean; seenAt: number; lookedAt: number | undefined },
  { intervalMs, firstAfterMs }: CheckSchedule,
): number {
  if (tenant.lookedAt !== undefined) return tenant.lookedAt + intervalMs;
  if (!tenant.hasRows) return tenant.seenAt + firstAfterMs;
  return tenant.seenAt + intervalMs * shareOf(tenant.uid);
}
