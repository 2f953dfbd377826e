import { expect, test } from "vitest";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { fuzz } from "./run.ts";

/** `npm run test:fuzz` feeds a million. */
test("20,000 inputs that nobody meant crash no parser, hang none, and let nobody in", async () => {
  const { crashes, hangs } = await fuzz(1, 20_000, silentProgress);
  expect({ crashes, hangs }).toEqual({ crashes: [], hangs: [] });
}, 60_000);
