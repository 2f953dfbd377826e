import type { WrappedDataKey } from "../../database/encryption/wrapped-keys.ts";

const DAY_MS = 86_400_000;

export interface DataKeyWish {
  /** The value of the annotation that asks for a new data key. */
  requested: string | undefined;
  /** 0: no data key is too old. */
  maxAgeDays: number;
}

/** Whether the tenant gets one more generation. While one is on its way, it does not. */
export function newGenerationIsDue(keys: readonly WrappedDataKey[], wish: DataKeyWish, now: Date): boolean {
  const newest = keys.at(-1);
  if (!newest) return true;
  if (newest.state === "pending") return false;
  if (wish.requested !== undefined && wish.requested !== newest.request) return true;
  return wish.maxAgeDays > 0 && now.getTime() - newest.createdAt.getTime() >= wish.maxAgeDays * DAY_MS;
}

/**
 * How long to wait yet before pods may write with a pending generation, in milliseconds. Before that every pod must be able to
 * read with it: those that have a process say so, and one that is just starting has mounted the Secret as it is by then. The
 * first generation has no predecessor that could be written with meanwhile.
 */
export function waitForPods(
  keys: readonly WrappedDataKey[],
  pending: WrappedDataKey,
  seconds: number,
  now: Date,
): number {
  if (keys.length === 1) return 0;
  if (!pending.publishedAt) return seconds * 1000;
  return Math.max(0, pending.publishedAt.getTime() + seconds * 1000 - now.getTime());
}
