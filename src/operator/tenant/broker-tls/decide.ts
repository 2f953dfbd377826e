/** Long before its end, so that an operator that is away for weeks does no harm. Days. */
export const RENEW_DAYS = 30;
/** For so long agents are given the next certificate before the broker shows it: kubelets bring it in a minute or two. Minutes. */
export const ANNOUNCED_MINUTES = 60;

const DAY_MS = 86_400_000;

/** What is known of a broker's certificates. */
export interface Certificates {
  /** When the one ends that the broker shows; undefined: there is none that is any good. */
  currentEnd: Date | undefined;
  /** The one that comes next; undefined: there is none that is any good. */
  next: { end: Date; announcedAt: Date } | undefined;
}

/**
 * - `make`: all anew, at once. Agents that are there have to read it first; there is nothing that they trust.
 * - `announce`: one more, which agents are told to trust, and which the broker does not show yet.
 * - `switch`: the broker shows the next one. Agents trust the one of before as well until the next is announced.
 */
export type Step = "make" | "announce" | "switch" | "keep";

/** Pure. */
export function stepOf({ currentEnd, next }: Certificates, now: Date): Step {
  if (!currentEnd || currentEnd <= now) return next && next.end > now ? "switch" : "make";
  if (next) return now.getTime() - next.announcedAt.getTime() >= ANNOUNCED_MINUTES * 60_000 ? "switch" : "keep";
  return currentEnd.getTime() - now.getTime() < RENEW_DAYS * DAY_MS ? "announce" : "keep";
}
