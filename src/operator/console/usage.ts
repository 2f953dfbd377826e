import { z } from "zod";
import type { ConsoleUsage } from "../../api/console.ts";
import { tokensInAll } from "../../database/runs/run.ts";
import { type UsageLine, usageOfTenant } from "../../database/runs/usage.ts";
import type { Route } from "./call.ts";
import { queryOf } from "./input.ts";
import type { TenantData } from "./tenant-data.ts";
import { shownBudget } from "./tenant-view.ts";

const query = z.strictObject({ days: z.coerce.number().int().min(1).max(366).default(30) });
const DAY_MS = 86_400_000;

const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** Whole dollars and hundred-millionths, summed without binary fractions. */
function usdOf(lines: UsageLine[]): string {
  const sum = lines.reduce((total, it) => total + BigInt(Math.round(Number(it.usd) * 1e8)), 0n);
  const text = sum.toString().padStart(9, "0");
  return `${text.slice(0, -8)}.${text.slice(-8)}`;
}

const spentIn = (lines: UsageLine[]) => ({
  usd: usdOf(lines),
  tokens: lines.reduce((sum, it) => sum + tokensInAll(it.tokens), 0),
});

/** Spend by UTC day, agent and model, against the budgets. */
export function usageRoutes(data: TenantData, now: () => number = Date.now): Route[] {
  return [
    {
      method: "GET",
      path: "/tenants/:tenant/usage",
      right: "usage",
      async answer({ params, query: given }): Promise<ConsoleUsage> {
        const { days } = queryOf(query, given);
        const name = params["tenant"] ?? "";
        const to = dayOf(now());
        const from = dayOf(now() - (days - 1) * DAY_MS);
        const monthBegan = `${to.slice(0, 7)}-01`;
        const { byDay, byAgent, byModel, month } = await data.rows(name, "reading the usage", async (db) => ({
          byDay: await usageOfTenant(db, "day", { from, to }),
          byAgent: await usageOfTenant(db, "agent", { from, to }),
          byModel: await usageOfTenant(db, "model", { from, to }),
          month: await usageOfTenant(db, "day", { from: monthBegan, to }),
        }));
        const spent = { today: spentIn(month.filter((it) => it.key === to)), month: spentIn(month) };
        return { from, to, byDay, byAgent, byModel, spent, budget: shownBudget(data.tenant(name).spec) };
      },
    },
  ];
}
