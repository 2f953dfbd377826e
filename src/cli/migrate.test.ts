import { expect, test } from "vitest";
import type { RolloutSummary } from "../operator/migrations/summary.ts";
import { describe, isAsAsked, migrate } from "./migrate.ts";

const aSummary = (more: Partial<RolloutSummary> = {}): RolloutSummary => ({
  phase: "running",
  target: 4,
  tenants: { current: 1, running: 0, waiting: 2, failed: 1 },
  canaries: [{ tenant: "acme", version: 4, state: "current" }],
  failures: [{ tenant: "globex", version: 3, kind: "failed", attempts: 2, message: "migration 4 failed" }],
  ...more,
});

test("a rollout is told with its counts, its canaries, and what failed", () => {
  const text = describe(aSummary({ phase: "paused", message: "the rollout is paused: …" }));
  expect(text).toContain("the rollout to migration 4 is paused: 1 current, 0 running, 2 waiting, 1 failed");
  expect(text).toContain("the rollout is paused: …");
  expect(text).toContain("canaries: acme (current, at 4)");
  expect(text).toMatch(/globex\s+failed\s+3\s+2\s+migration 4 failed/);
});

test("a rollout that is complete needs one line", () => {
  const tenants = { current: 3, running: 0, waiting: 0, failed: 0 };
  expect(describe(aSummary({ phase: "complete", tenants, failures: [] })).split("\n")).toHaveLength(1);
});

test("a pause succeeds when all stands still, and any other command when nothing is paused and nothing failed", () => {
  const of = (more: Partial<RolloutSummary>) => ({ server: "main", ...aSummary({ failures: [], ...more }) });
  const [running, paused, failed] = [of({}), of({ phase: "paused" }), of({ failures: aSummary().failures })];
  const unreachable = { server: "main", unreachable: "timeout" };
  const all = [running, paused, failed, unreachable];
  expect(all.map((it) => isAsAsked(it, "pause"))).toEqual([false, true, false, false]);
  for (const action of [undefined, "status", "resume"])
    expect(all.map((it) => isAsAsked(it, action))).toEqual([true, false, false, false]);
});

test("flags that do not go together are refused before anybody is asked", async () => {
  const access = { operatorNamespace: "none", output: "table" as const };
  await expect(migrate("pause", { ...access, dryRun: true })).rejects.toThrow("--dry-run stands alone");
  await expect(migrate(undefined, { ...access, tenant: "acme" })).rejects.toThrow("--tenant goes with --dry-run");
});
