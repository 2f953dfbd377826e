import { describe, expect, it } from "vitest";
import { budgetRatio, leftOf, refusedByBudget, refusedByRunBudget } from "./budget.ts";

const spend = (usd: number, tokens = 0) => ({ usd, tokens });
const use = (day: number, month = day, { agent = 0, others = 0 } = {}) => ({
  tenant: { day: spend(day), month: spend(month) },
  agent: { day: spend(agent), month: spend(agent) },
  others: { tenant: spend(others), agent: spend(others) },
});
const now = new Date("2026-12-31T23:59:00Z");
const tenant = (budget: object) => ({ budget, agentBudget: {} });
const agent = (agentBudget: object) => ({ budget: {}, agentBudget });

describe("a budget", () => {
  it("takes what just fits, and refuses what does not", () => {
    const budgets = tenant({ perDay: { usd: "1" } });
    expect(refusedByBudget(budgets, use(0.5), spend(0.5), now)).toBeUndefined();
    expect(refusedByBudget(budgets, use(0.5), spend(0.51), now)?.message).toBe(
      "the tenant's budget.perDay.usd (1 USD) would be exceeded; it resets at 2027-01-01T00:00:00.000Z (UTC)",
    );
  });
  it("names the month when that is the limit", () => {
    const month = { ...use(0), tenant: { day: spend(0), month: spend(0, 9) } };
    expect(refusedByBudget(tenant({ perMonth: { tokens: 10 } }), month, spend(0, 2), now)?.message).toMatch(
      /^the tenant's budget\.perMonth\.tokens \(10\)/,
    );
  });
  it("of one agent holds for what that agent spends", () => {
    expect(refusedByBudget(agent({ perDay: { usd: "1" } }), use(9), spend(1), now)).toBeUndefined();
    expect(refusedByBudget(agent({ perDay: { usd: "1" } }), use(9, 9, { agent: 0.5 }), spend(1), now)?.message).toMatch(
      /^the agent's budget\.perDay\.usd \(1 USD\)/,
    );
  });
  it("of nothing takes nothing", () =>
    expect(refusedByBudget(tenant({ perDay: { usd: "0" } }), use(0), spend(0.01), now)).toBeDefined());
  it("that is not set takes all", () => {
    expect(refusedByBudget(tenant({}), use(1e9), spend(1), now)).toBeUndefined();
    expect(leftOf(tenant({}), use(1e9), now)).toEqual({ usd: Infinity, tokens: Infinity });
  });
  it("leaves what is neither spent nor reserved by others, under the tightest limit", () => {
    const budgets = {
      budget: { perDay: { usd: "10" }, perMonth: { usd: "20" } },
      agentBudget: { perDay: { usd: "3" } },
    };
    expect(leftOf(budgets, use(5, 5, { agent: 1, others: 1 }), now).usd).toBe(1);
    expect(leftOf(budgets, use(9.5, 5, { others: 1 }), now).usd).toBe(0);
  });
  it("is as full as its tightest part", () =>
    expect(budgetRatio({ perDay: { usd: "10" }, perMonth: { usd: "20" } }, use(5, 18).tenant)).toBe(0.9));
  it("of one run counts the runs that it asked for", () => {
    expect(refusedByRunBudget({ perRun: { usd: "1" } }, spend(0.5), spend(0.5))).toBeUndefined();
    expect(refusedByRunBudget({ perRun: { tokens: 10 } }, spend(0, 8), spend(0, 3))?.message).toMatch(
      /^the agent's budget\.perRun\.tokens \(10\)/,
    );
  });
});
