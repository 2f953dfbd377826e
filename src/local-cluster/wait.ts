import { setTimeout as sleep } from "node:timers/promises";
import { LocalClusterError } from "./errors.ts";

/**
 * Asks until the answer is something other than `undefined`, and gives that. A question that throws counts as "not yet".
 * After `seconds` throws a LocalClusterError that says what was waited for and what was last seen.
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  options: { seconds: number; everyMs?: number; signal?: AbortSignal | undefined },
): Promise<T> {
  const deadline = Date.now() + options.seconds * 1000;
  let last: unknown;
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      if (error instanceof LocalClusterError && error.fatal) throw error;
      last = error;
    }
    if (Date.now() > deadline) {
      const seen = last instanceof Error ? `; last seen: ${last.message}` : "";
      throw new LocalClusterError(`gave up after ${options.seconds} s waiting for ${what}${seen}`, { cause: last });
    }
    await sleep(options.everyMs ?? 100);
  }
}
