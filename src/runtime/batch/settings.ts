/** How batches are made and looked after. Milliseconds, unless told otherwise. */
export interface BatchSettings {
  /** How often it is looked at what is to be done. */
  tickMs: number;
  /** How long runs gather before they are submitted. */
  gatherMs: number;
  /** Runs of one batch at most, and bytes of it: the API takes 100,000 and 256 MB. */
  most: number;
  bytes: number;
  /** How long the API may take to answer a submission. After twice as long without an answer it is found out what became of it. */
  submitMs: number;
  /** The first look at a batch, and the longest pause between two. */
  pollMs: number;
  longestPollMs: number;
  /** The pause after a submission that found the API busy and was told no other. */
  busyMs: number;
  /** The pause before a run that the budget had no room for is looked at again. */
  noRoomMs: number;
  /** The pause before results that could not be fetched are fetched again. */
  fetchAgainMs: number;
  /** How often a run whose request came to nothing (overloaded, expired) is submitted again, in all. */
  again: number;
  /** The first pause before that; it doubles. */
  againMs: number;
}

export const BATCH_SETTINGS: BatchSettings = {
  tickMs: 1000,
  gatherMs: 2000,
  most: 100,
  bytes: 32 * 1024 * 1024,
  submitMs: 45_000,
  pollMs: 5000,
  longestPollMs: 60_000,
  busyMs: 10_000,
  noRoomMs: 10_000,
  fetchAgainMs: 15_000,
  again: 5,
  againMs: 30_000,
};

/** The pause until the next look at a batch of this age: a tenth of its age. */
export const pollPause = ({ pollMs, longestPollMs }: BatchSettings, ageMs: number): number =>
  Math.min(longestPollMs, Math.max(pollMs, ageMs / 10));
