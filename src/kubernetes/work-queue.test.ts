import fc from "fast-check";
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

test("a fresh change lifts its key out of the backlog, and is worked on once", async () => {
  const queue = new WorkQueue();
  for (const key of ["a", "b", "c"]) queue.add(key, "low");
  queue.add("c");
  queue.add("b", "low");
  expect(queue.depth).toBe(3);
  expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(["c", "a", "b"]);
  expect(queue.depth).toBe(0);
});

test("what comes while a key is in work keeps its priority; a fresh change wins", async () => {
  const queue = new WorkQueue();
  queue.add("a");
  await queue.take();
  queue.add("a", "low");
  queue.add("b");
  queue.done("a");
  expect(await queue.take()).toBe("b");
  expect(await queue.take()).toBe("a");
  queue.add("a", "low");
  queue.add("a");
  queue.add("c", "low");
  queue.add("d");
  queue.done("a");
  expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(["d", "a", "c"]);
});

test("a failed key of the backlog comes back as backlog", async () => {
  const queue = new WorkQueue({ baseDelayMs: 1, maxDelayMs: 1 });
  queue.add("old", "low");
  await queue.take();
  queue.retry("old");
  queue.done("old");
  await expect.poll(() => queue.waiting("low")).toBe(1);
  queue.add("new");
  expect(await queue.take()).toBe("new");
});

test("whatever is added, failed and finished, no key is lost, doubled or in two hands", async () => {
  const step = fc.record({ key: fc.constantFrom("a", "b", "c"), low: fc.boolean(), take: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const queue = new WorkQueue();
      const owed = new Set<string>(); // added, and not taken since
      const held: string[] = [];
      const take = async () => {
        const key = (await queue.take()) as string;
        expect(held).not.toContain(key);
        expect(owed.delete(key)).toBe(true);
        held.push(key);
      };
      for (const { key, low, take: taking } of steps) {
        queue.add(key, low ? "low" : "high");
        owed.add(key);
        if (taking && queue.depth > 0) await take();
        else if (taking) queue.done(held.shift() as string);
      }
      while (held.length > 0) queue.done(held.shift() as string);
      while (queue.depth > 0) await take();
      expect([...owed]).toEqual([]);
    }),
  );
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
