import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseBusy } from "../errors.ts";
import type { StatementLimits } from "./enter-schema.ts";

/** How much one transaction takes on, and how long its statements may wait and run. */
export interface Batch extends StatementLimits {
  rows: number;
}

/** Nobody on the hot path waits for a batch, and a batch does not wait for long either. */
const LOCK_MS = 1_000;
const STATEMENT_MS = 5_000;
/** What cannot be made smaller gets nearly all that the operator's sessions allow. */
const SINGLE_STATEMENT_MS = 55_000;
const SHORTEST_PAUSE_MS = 20;

/**
 * Runs `batch`, a short transaction, until it says that there is no more. Between two there is a pause as long as the last one
 * took, so that at most half of the server's attention goes here. One that took too long, or met a lock, is tried again smaller.
 * @throws DatabaseBusy when a batch of one row does not go through; the signal's reason
 */
export async function inBatches(
  largest: number,
  signal: AbortSignal,
  batch: (it: Batch) => Promise<{ more: boolean }>,
): Promise<void> {
  for (let rows = largest; ; ) {
    signal.throwIfAborted();
    const began = performance.now();
    try {
      const { more } = await batch({
        rows,
        lockMs: LOCK_MS,
        statementMs: rows > 1 ? STATEMENT_MS : SINGLE_STATEMENT_MS,
      });
      if (!more) return;
      rows = Math.min(largest, rows * 2);
    } catch (error) {
      if (!(error instanceof DatabaseBusy) || rows === 1) throw error;
      rows = Math.max(1, Math.floor(rows / 4));
    }
    await sleep(Math.max(SHORTEST_PAUSE_MS, performance.now() - began), undefined, { signal });
  }
}
