import { expect, test } from "vitest";
import { GROUPS } from "./attempt.ts";
import { ATTEMPTS } from "./attempts/index.ts";

test("there are at least 80 attempts, in all groups, each under a name of its own", () => {
  const titles = ATTEMPTS.map(({ group, name }) => `${group}: ${name}`);
  expect(new Set(titles).size).toBe(titles.length);
  expect(titles.length).toBeGreaterThanOrEqual(80);
  expect(new Set(ATTEMPTS.map(({ group }) => group))).toEqual(new Set(GROUPS));
});

test("each attempt has something that it does, an expectation, and a weakness that lets it through", () => {
  for (const { name, sql, act, refused, weakness, given } of ATTEMPTS) {
    expect([sql, act].filter(Boolean), name).toHaveLength(1);
    expect(refused ?? ["contained"], name).not.toEqual([]);
    expect(weakness, name).toSatisfy((it: unknown) => it === "unconfined" || typeof it === "function");
    expect(weakness, name).not.toBe(given);
  }
});
