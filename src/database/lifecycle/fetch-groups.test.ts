import { expect, test } from "vitest";
import { fetchGroups } from "./fetch-groups.ts";

const MIB = 1 << 20;
const sizes = (...list: number[]) => list.map((bytes, n) => ({ bytes, key: { n } }));

test("small rows go together, up to a megabyte", () => {
  expect(fetchGroups(sizes(...Array.from({ length: 500 }, () => 1000)))).toEqual([{ rows: 500 }]);
  expect(fetchGroups(sizes(MIB / 2, MIB / 2, 1))).toEqual([{ rows: 2 }, { rows: 1 }]);
});

test("a large row is alone, and one that is too large is left out with its key", () => {
  expect(fetchGroups(sizes(10, 5 * MIB, 10, 33 * MIB, 10, 10))).toEqual([
    { rows: 1 },
    { rows: 1 },
    { rows: 1 },
    { rows: 1, tooLarge: { n: 3, omittedBytes: 33 * MIB } },
    { rows: 2 },
  ]);
});

test("every row is in exactly one group, and no group is larger than a megabyte but of one row", () => {
  const list = sizes(...Array.from({ length: 2000 }, () => Math.floor(Math.random() ** 4 * 3 * MIB)));
  let at = 0;
  for (const { rows } of fetchGroups(list)) {
    const bytes = list.slice(at, at + rows).reduce((sum, it) => sum + it.bytes, 0);
    expect(rows === 1 || bytes <= MIB).toBe(true);
    at += rows;
  }
  expect(at).toBe(list.length);
});
