import { setTimeout as sleep } from "node:timers/promises";
import { isTransient } from "../database/runs/database.ts";
import type { Logger } from "../telemetry/log.ts";

const LONGEST_PAUSE_MS = 2000;

/**
 * Does what an agent cannot start without, as often as it takes while the database starts, recovers or is full. How long that may
 * last is for the startup probe to say.
 * @throws what will not pass
 */
export async function patiently<T>(what: string, work: () => Promise<T>, log: Logger): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (err) {
      if (!isTransient(err)) throw err;
      if (attempt % 30 === 0) log.warn({ err, waitingFor: what }, "the database went away while the agent starts");
      await sleep(Math.min(100 * 2 ** Math.min(attempt, 10), LONGEST_PAUSE_MS));
    }
  }
}
