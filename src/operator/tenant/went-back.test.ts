import { expect, test } from "vitest";
import { wentBack } from "./went-back.ts";

const at = (time: string) => new Date(time);
const known = { schema: "t_aaaaaaaaaaaa", schemaVersion: 2, passwordChangedAt: "2026-05-02T10:00:00Z" };
const found = {
  id: "t_aaaaaaaaaaaa",
  created: false,
  migrations: { from: 2 },
  record: { passwordChangedAt: at("2026-05-02T10:00:00.700Z") },
};

test("a database that is as it was shows nothing, nor does a Tenant that is new", () => {
  expect(wentBack(known, found)).toBeUndefined();
  expect(
    wentBack({}, { ...found, created: true, migrations: { from: 0 }, record: { passwordChangedAt: undefined } }),
  ).toBe(undefined);
});

test("what was changed since, by the operator itself, is no step back", () => {
  const later = { ...found, migrations: { from: 3 }, record: { passwordChangedAt: at("2026-06-01T00:00:00Z") } };
  expect(wentBack(known, later)).toBeUndefined();
});

test.each([
  [
    "a lost schema",
    { ...found, id: "t_bbbbbbbbbbbb", created: true },
    /t_aaaaaaaaaaaa .*not in the database any more.*t_bbbbbbbbbbbb/,
  ],
  [
    "another schema",
    { ...found, id: "t_bbbbbbbbbbbb" },
    /has schema t_bbbbbbbbbbbb for this Tenant, which had t_aaaaaaaaaaaa/,
  ],
  ["an earlier migration", { ...found, migrations: { from: 1 } }, /at migration 1, it had been at 2/],
  ["an earlier password", { ...found, record: { passwordChangedAt: at("2026-04-01T00:00:00Z") } }, /earlier one/],
  ["no password yet", { ...found, record: { passwordChangedAt: undefined } }, /earlier one/],
])("%s is said", (_what, now, says) => {
  expect(wentBack(known, now)).toMatch(says);
  expect(wentBack(known, now)).toMatch(/restored from an older backup/);
});
