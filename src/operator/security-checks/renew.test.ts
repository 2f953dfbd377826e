import { expect, test } from "vitest";
import { newlyFailed, renewRows } from "./renew.ts";

const found = (status: "Passed" | "Failed", name = "DatabaseTLS") => ({ name, status, reason: "R", message: "m" });
const at = (hour: number) => new Date(Date.UTC(2026, 10, 28, hour));

test("a row keeps its time while nothing changes, for a day", () => {
  const first = renewRows([], [found("Passed")], at(0));
  expect(renewRows(first, [found("Passed")], at(23))).toEqual(first);
  expect(renewRows(first, [found("Passed")], at(24))[0]?.checkedAt).toBe("2026-11-29T00:00:00Z");
});

test("a row that changes gets the time of the look, and the others keep theirs", () => {
  const first = renewRows([], [found("Passed"), found("Passed", "RateLimits")], at(0));
  const second = renewRows(first, [found("Failed"), found("Passed", "RateLimits")], at(1));
  expect(second.map((it) => it.checkedAt)).toEqual(["2026-11-28T01:00:00Z", "2026-11-28T00:00:00Z"]);
  expect(newlyFailed(first, second).map((it) => it.name)).toEqual(["DatabaseTLS"]);
  expect(newlyFailed(second, second)).toEqual([]);
});
