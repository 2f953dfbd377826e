import { expect, test } from "vitest";
import { WorkQueue } from "./work-queue.ts";

test("a key that is added twice is worked on once", async () => {
  const queue = new WorkQueue();
  queue.add("a");
  queue.add("a");
  expect(queue.depth).toBe(1);
  expect(await queue.take()).toBe("a");
  expect(queue.depth).toBe(0);
});

test("a key that is added while in work comes again afterwards, never twice at once", async () => {
  const queue = new WorkQueue();
  queue.add("a");
  expect(await queue.take()).toBe("a");
  queue.add("a");
  expect(queue.depth).toBe(0);
  queue.done("a");
  expect(await queue.take()).toBe("a");
});

test("fresh changes go before the backlog", async () => {
  const queue = new WorkQueue();
  queue.add("old-1", "low");
  queue.add("old-2", "low");
  queue.add("new");
  expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(["new", "old-1", "old-2"]);
});

test("a failing key backs off exponentially, and starts over once it went well", () => {
  const queue = new WorkQueue({ baseDelayMs: 100, maxDelayMs: 1000, random: () => 1 });
  expect([1, 2, 3, 4, 5].map(() => queue.retry("a"))).toEqual([100, 200, 400, 800, 1000]);
  queue.forget("a");
  expect(queue.retry("a")).toBe(100);
  queue.close();
});

test("a fresh change overtakes a back-off", async () => {
  const queue = new WorkQueue({ baseDelayMs: 60_000, maxDelayMs: 60_000 });
  queue.retry("a");
  queue.add("a");
  expect(await queue.take()).toBe("a");
  queue.close();
});

test("a closed queue gives waiting workers undefined", async () => {
  const queue = new WorkQueue();
  const waiting = queue.take();
  queue.close();
  expect(await waiting).toBeUndefined();
});
