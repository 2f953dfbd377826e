import { expect, test } from "vitest";
import { BACKLOG, backlogWatch } from "./backlog-garbage.ts";

const seconds = (n: number, waiting: number) => Array.from({ length: n }, () => waiting);
/** The seconds at which it is time. */
const timesOf = (waiting: number[]): number[] => {
  const isTime = backlogWatch();
  return waiting.flatMap((it, i) => (isTime(it) ? [i] : []));
};

test("a backlog that was worked off is cleaned up after once, when nothing has waited for a while", () => {
  expect(timesOf([...seconds(3, BACKLOG), 40, 0, 1, ...seconds(60, 0)])).toEqual([10]);
});

test("everyday work is not", () => {
  expect(timesOf([...seconds(100, BACKLOG - 1), ...seconds(100, 0)])).toEqual([]);
});

test("backlogs that follow one another closely are cleaned up after together", () => {
  const each = [BACKLOG, ...seconds(29, 0)];
  expect(timesOf(Array.from({ length: 12 }, () => each).flat())).toEqual([5, 305]);
});
