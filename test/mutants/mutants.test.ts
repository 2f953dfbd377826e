import { describe, expect, test } from "vitest";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { judge } from "./judge.ts";
import type { Mutant } from "./mutant.ts";
import { MUTANTS, SUITES } from "./suites.ts";
import { copyOfCheckout } from "./tree.ts";

describe("the mutants", () => {
  /** That each fits the source is looked at by `npm run check`. */
  test("are at least 25, each with a weakness of its own, in every suite", () => {
    expect(new Set(MUTANTS.map((it) => it.weakness)).size).toBe(MUTANTS.length);
    expect(MUTANTS.length).toBeGreaterThanOrEqual(25);
    for (const [suite, its] of Object.entries(SUITES)) expect(its.length, suite).toBeGreaterThanOrEqual(3);
  });
});

/** Of fast suites; `npm run test:mutants` does it with all. */
const SAMPLE = ["plain http is let through", "an agent keeps the capabilities of the container engine"];
const HARMLESS: Mutant = {
  weakness: "nothing",
  file: "src/telemetry/scrub.ts",
  from: "const SECRET_KEY =",
  to: "const SECRET_KEY = ",
  killedBy: [{ file: "src/telemetry/scrub.test.ts" }],
};

test("some are killed by their tests, and one that weakens nothing survives", async () => {
  const tree = await copyOfCheckout();
  try {
    const chosen = [...MUTANTS.filter(({ weakness }) => SAMPLE.includes(weakness)), HARMLESS];
    const verdicts = await judge(tree, chosen, silentProgress);
    expect(verdicts.map((it) => it.killed)).toEqual([true, true, false]);
  } finally {
    await tree.remove();
  }
}, 120_000);
