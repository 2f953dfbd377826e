import { expect, test } from "vitest";
import { silentProgress, terminalProgress } from "../../../src/telemetry/progress.ts";
import { runCrash } from "./run.ts";

test("an operator that is killed at random instants leaves the cluster and Postgres as one that was left in peace", async () => {
  const result = await runCrash({
    seed: Number(process.env["CRASH_SEED"] ?? 1),
    kills: 10,
    tenants: 4,
    agents: 12,
    progress: process.env["TEST_LOG"] ? terminalProgress() : silentProgress,
  });
  expect(result.differences).toEqual([]);
  expect(result).toMatchObject({ kills: 10, tenants: 4, agents: 12 });
  expect(result.objects).toBeGreaterThan(300); // what was compared is not nothing
}, 300_000);
