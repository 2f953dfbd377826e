import { expect, test } from "vitest";
import { silentProgress, terminalProgress } from "../../src/telemetry/progress.ts";
import { ownPath } from "./proxy.ts";
import { Random } from "../support/random.ts";
import { MOST_RECOVERY_SECONDS, runChaos } from "./run.ts";

/** A little of everything; `npm run test:chaos` does it for longer. */
const DISTURBANCES =
  "kill kill kill drain postgresCrash databaseReset databaseRefused streamReset streamMalformed streamStalled noAnswer rateLimited overloaded";

test("processes that die, a database that crashes, and cut connections lose no run, and do nothing twice", async () => {
  const seed = Number(process.env.CHAOS_SEED ?? 1);
  const { details, runs, ...found } = await runChaos({
    seed,
    disturbances: new Random(seed).shuffled(DISTURBANCES.split(" ")),
    runsInFlight: 15,
    meanMs: 600,
    pods: 2,
    path: (_name, port) => ownPath(port),
    progress: process.env.TEST_LOG ? terminalProgress() : silentProgress,
  });
  const wrong = { runsLost: 0, runsStuck: 0, messagesDuplicated: 0, nonIdempotentTwice: 0, streamsWrong: 0 };
  expect(found, details.join("\n")).toMatchObject({ ...wrong, refusedByApi: 0, complaints: [] });
  expect(found.recoverySecondsMax).toBeLessThan(MOST_RECOVERY_SECONDS);
  expect(runs).toBeGreaterThan(15);
}, 120_000);
