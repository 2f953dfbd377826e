import { MinuteCounts } from "./minute-counts.ts";

/** Counts by client address who comes with tokens that are no good; of the most recent addresses. */
export class FailedAttempts extends MinuteCounts {
  constructor(limit = 120, addresses = 10_000) {
    super(limit, addresses);
  }
}
