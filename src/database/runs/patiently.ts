import { setTimeout as sleep } from "node:timers/promises";
import { isTransient } from "./database.ts";

/** Tries again, for `patienceMs` at most, while the database cannot be reached. */
export async function patiently<T>(work: () => Promise<T>, patienceMs: number): Promise<T> {
  const until = performance.now() + patienceMs;
  for (let delay = 50; ; delay = Math.min(delay * 2, 2000)) {
    try {
      return await work();
    } catch (error) {
      if (!isTransient(error) || performance.now() >= until) throw error;
      await sleep(delay);
    }
  }
}
