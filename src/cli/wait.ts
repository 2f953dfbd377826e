import { setTimeout as sleep } from "node:timers/promises";

/**
 * Waits until `look` gives something that `good` accepts; a failing look counts as "not yet".
 * @throws Error that says what was last seen
 */
export async function waitFor<T>(
  look: () => Promise<T>,
  good: (seen: T) => boolean,
  options: { seconds: number; say: (seen: T) => string; everyMs?: number },
): Promise<T> {
  const deadline = Date.now() + options.seconds * 1000;
  let seen = "nothing yet";
  for (;;) {
    try {
      const found = await look();
      if (good(found)) return found;
      seen = options.say(found);
    } catch (error) {
      seen = error instanceof Error ? error.message : String(error);
    }
    if (Date.now() > deadline) throw new Error(`not so after ${options.seconds} s: ${seen}`);
    await sleep(options.everyMs ?? 250);
  }
}
