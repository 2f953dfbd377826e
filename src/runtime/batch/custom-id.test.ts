import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { customId, isOfGroup, runOf } from "./custom-id.ts";
import { BATCH_SETTINGS, pollPause } from "./settings.ts";

it("a request's id is one that the API takes, and tells its run and its group", () => {
  for (let i = 0; i < 200; i++) {
    const [run, group] = [randomUUID(), randomUUID()];
    const id = customId(run, group);
    expect(id).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
    expect(runOf(id)).toBe(run);
    expect([isOfGroup(id, group), isOfGroup(id, randomUUID())]).toEqual([true, false]);
  }
});

it("a batch is looked at more seldom the older it is, within limits", () => {
  expect([0, 100_000, 300_000, 86_400_000].map((age) => pollPause(BATCH_SETTINGS, age))).toEqual([
    5000, 10_000, 30_000, 60_000,
  ]);
});
