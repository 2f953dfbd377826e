import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { DatabaseBusy, DatabaseUnreachable } from "../../database/errors.ts";
import { SQLSTATE } from "../../database/sqlstate.ts";
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

/** What becomes of the items 0 to 7 when they go together, and the items of each statement. */
async function refused(apply: (items: number[]) => void) {
  const statements: number[][] = [];
  const it = new Lane<number, number>({
    key: String,
    most: 64,
    patienceMs: 0,
    gatherFrom: 100_000,
    async apply(items) {
      statements.push(items);
      apply(items);
      return items;
    },
  });
  const settled = await Promise.allSettled(Array.from({ length: 8 }, (_, item) => it.write(item)));
  return { statements, failed: settled.flatMap(({ status }, item) => (status === "rejected" ? [item] : [])) };
}

const EIGHT = [0, 1, 2, 3, 4, 5, 6, 7];
const failing = (error: Error) => (items: number[]) => {
  if (items.includes(5)) throw error;
};

test("an outage is told to all that wait, and is not looked for again for each", async () => {
  expect(await refused(failing(new DatabaseUnreachable("away")))).toEqual({ statements: [EIGHT], failed: EIGHT });
});

test.for([
  ["what cannot be stored", new Error("no")],
  ["what waits for a lock in vain", new DatabaseBusy("locked", { code: SQLSTATE.lockNotAvailable })],
] as const)("%s takes none of the others with it", async ([, error]) => {
  const { statements, failed } = await refused(failing(error));
  expect(failed).toEqual([5]);
  expect(statements).toEqual([EIGHT, ...EIGHT.map((item) => [item])]);
});
