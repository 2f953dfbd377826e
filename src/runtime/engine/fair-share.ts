export interface Demand {
  /** Runs at work. */
  running: number;
  /** Runs that could start if there were room. */
  waiting: number;
}

/**
 * How many runs one claimant may have at work when all of them together may have `limit`: as many as it asks for while there is
 * enough; else everyone gets the same, and what one does not need is shared among the others (max-min fairness).
 */
export function fairShare(own: Demand, others: Demand[], limit: number): number {
  const wants = [own, ...others].map(({ running, waiting }) => running + waiting);
  let left = limit;
  const ascending = wants.toSorted((a, b) => a - b);
  for (const [i, want] of ascending.entries()) {
    const share = left / (ascending.length - i);
    if (want > share) return Math.min(wants[0] ?? 0, Math.max(1, Math.floor(share)));
    left -= want;
  }
  return wants[0] ?? 0;
}
