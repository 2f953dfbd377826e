import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { Lane } from "./lane.ts";

/** A lane whose writes take a turn of the event loop, and the items of each of its statements. */
function lane(gatherFrom: number) {
  const statements: number[][] = [];
  const it = new Lane<number, number>({
    key: String,
    most: 64,
    patienceMs: 0,
    gatherFrom,
    async apply(items) {
      statements.push(items);
      return items.map((item) => item * 2);
    },
  });
  return { write: (item: number) => it.write(item), statements };
}

/** An item in every turn of the event loop, each without waiting for the one before. */
async function oneByOne(write: (item: number) => Promise<number>, count: number): Promise<number[]> {
  const outcomes: Promise<number>[] = [];
  for (let item = 0; item < count; item++) {
    outcomes.push(write(item));
    await nextTurn();
  }
  return Promise.all(outcomes);
}

const COUNT = 200;

test("many items that come one by one share statements, and each gets its own outcome", async () => {
  const { write, statements } = lane(100);
  const outcomes = await oneByOne(write, COUNT);
  expect(outcomes).toEqual(Array.from({ length: COUNT }, (_, item) => item * 2));
  expect(statements.flat()).toHaveLength(COUNT);
  expect(statements.length).toBeLessThan(COUNT / 4);
});

test("items that come slower than it is worth while wait for nobody", async () => {
  const { write, statements } = lane(100_000);
  await oneByOne(write, COUNT);
  expect(statements.length).toBeGreaterThan(COUNT / 4);
});
