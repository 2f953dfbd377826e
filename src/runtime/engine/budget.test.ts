import { describe, expect, it } from "vitest";
import { budgetRatio, refusedByBudget } from "./budget.ts";

const spend = (usd: number, tokens = 0) => ({ usd, tokens });
const load = (day: number, month: number) => ({ day: spend(day), month: spend(month) });
const now = new Date("2026-12-31T23:59:00Z");

describe("a budget", () => {
  it("takes a call that just fits, and refuses one that does not", () => {
    const budget = { perDay: { usd: "1" } };
    expect(refusedByBudget(budget, load(0.5, 0.5), spend(0.25), spend(0.25), now)).toBeUndefined();
    expect(refusedByBudget(budget, load(0.5, 0.5), spend(0.25), spend(0.26), now)?.message).toBe(
      "budget.perDay.usd (1 USD) would be exceeded; it resets at 2027-01-01T00:00:00.000Z (UTC)",
    );
  });
  it("names the month when that is the limit", () => {
    expect(
      refusedByBudget({ perMonth: { tokens: 10 } }, { day: spend(0), month: spend(0, 9) }, spend(0), spend(0, 2), now)
        ?.message,
    ).toMatch(/^budget\.perMonth\.tokens \(10\)/);
  });
  it("of nothing takes nothing", () =>
    expect(refusedByBudget({ perDay: { usd: "0" } }, load(0, 0), spend(0), spend(0.01), now)).toBeDefined());
  it("that is not set takes all", () =>
    expect(refusedByBudget({}, load(1e9, 1e9), spend(0), spend(1), now)).toBeUndefined());
  it("is as full as its tightest part", () =>
    expect(budgetRatio({ perDay: { usd: "10" }, perMonth: { usd: "20" } }, load(5, 18))).toBe(0.9));
});
