import { expect, test } from "vitest";
import { dueAt } from "./due.ts";

const HOUR = 3_600_000;
const schedule = { intervalMs: 24 * HOUR, firstAfterMs: 60_000, retryMs: HOUR };
const uids = Array.from({ length: 200 }, (_, i) => `uid-${i}`);

test("a tenant that never had a run has its first soon after the start, and not all at once", () => {
  const times = uids.map((uid) => dueAt({}, schedule, uid, 0));
  expect(Math.min(...times)).toBeGreaterThanOrEqual(30_000);
  expect(Math.max(...times)).toBeLessThanOrEqual(90_000);
  expect(new Set(times).size).toBeGreaterThan(190);
});

test("a restart does not repeat a run", () => {
  const lastRun = 100 * HOUR;
  for (const uid of uids) {
    const due = dueAt({ lastRun }, schedule, uid, lastRun + HOUR);
    expect(due - lastRun).toBeGreaterThanOrEqual(21.6 * HOUR);
    expect(due - lastRun).toBeLessThanOrEqual(26.4 * HOUR);
  }
});

test("a run that was missed while nobody led is made up for soon", () => {
  expect(dueAt({ lastRun: 0 }, schedule, "uid", 1000 * HOUR)).toBeLessThanOrEqual(1000 * HOUR + 90_000);
});

test("a run that failed is tried again before the next day", () => {
  expect(dueAt({ lastRun: 5, failedAt: 10 }, schedule, "uid", 0)).toBe(10 + HOUR);
});
