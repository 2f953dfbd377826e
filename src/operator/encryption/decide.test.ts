import { expect, test } from "vitest";
import type { WrappedDataKey } from "../../database/encryption/wrapped-keys.ts";
import { newGenerationIsDue, waitForPods } from "./decide.ts";

const NOW = new Date("2026-06-01T00:00:00Z");
const secondsAgo = (seconds: number) => new Date(NOW.getTime() - seconds * 1000);
const aKey = (more: Partial<WrappedDataKey> = {}): WrappedDataKey => ({
  tenantId: "t_0123456789ab",
  generation: 1,
  kek: "k",
  wrapped: Buffer.alloc(0),
  state: "current",
  request: null,
  createdAt: secondsAgo(86_400),
  publishedAt: secondsAgo(86_400),
  ...more,
});
const due = (keys: WrappedDataKey[], requested?: string, maxAgeDays = 90) =>
  newGenerationIsDue(keys, { requested, maxAgeDays }, NOW);

test("a new data key is due at first, when asked for once, and when the newest is too old", () => {
  expect(due([])).toBe(true);
  expect(due([aKey()])).toBe(false);
  expect(due([aKey()], "please")).toBe(true);
  expect(due([aKey({ request: "please" })], "please")).toBe(false);
  expect(due([aKey({ request: "please" })], "again")).toBe(true);
  expect(due([aKey({ createdAt: secondsAgo(91 * 86_400) })])).toBe(true);
  expect(due([aKey({ createdAt: secondsAgo(91 * 86_400) })], undefined, 0)).toBe(false);
});

test("no further data key is due while one is on its way", () => {
  expect(due([aKey({ state: "former" }), aKey({ generation: 2, state: "pending" })], "again")).toBe(false);
});

test("a second data key waits for its time in the Secret, the first does not", () => {
  const pending = aKey({ generation: 2, state: "pending", publishedAt: secondsAgo(30) });
  expect(waitForPods([aKey(), pending], pending, 120, NOW)).toBe(90_000);
  expect(waitForPods([aKey(), pending], pending, 30, NOW)).toBe(0);
  expect(waitForPods([pending], { ...pending, publishedAt: null }, 120, NOW)).toBe(0);
  const unpublished = { ...pending, publishedAt: null };
  expect(waitForPods([aKey(), unpublished], unpublished, 120, NOW)).toBe(120_000);
});
