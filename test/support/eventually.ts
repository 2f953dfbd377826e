import { setTimeout as sleep } from "node:timers/promises";

/**
 * Waits until `look` gives something that `good` accepts. @throws Error with what was last seen
 * @param seconds the deadline
 */
export async function eventually<T>(
  look: () => Promise<T> | T,
  good: (seen: T) => boolean,
  seconds = 30,
  everyMs = 200,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  let last: T | undefined;
  let failure: unknown;
  for (;;) {
    try {
      failure = undefined;
      last = await look();
      if (good(last)) return last;
    } catch (error) {
      failure = error;
    }
    if (Date.now() > deadline) break;
    await sleep(everyMs);
  }
  const brief = (key: string, value: unknown) => (key === "managedFields" || key === "spec" ? undefined : value);
  const seen = failure instanceof Error ? failure.message : JSON.stringify(last, brief, 1)?.slice(0, 3000);
  throw new Error(`not so within ${seconds} s; last seen: ${seen}`);
}
