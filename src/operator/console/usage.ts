import { z } from "zod";
import type { ConsoleSpend, ConsoleUsage } from "../../api/console.ts";
import { tokensInAll } from "../../database/runs/run.ts";
import { type UsageLine, usageOfTenant } from "../../database/runs/usage.ts";
import type { Route } from "./call.ts";
import { queryOf } from "./input.ts";
import type { TenantData } from "./tenant-data.ts";
import { shownBudget } from "./tenant-view.ts";
import { TimedCache } from "./timed-cache.ts";

const query = z.strictObject({ days: z.coerce.number().int().min(1).max(366).default(30) });
const DAY_MS = 86_400_000;
/** How long the spend in the list of tenants is believed: many look at it, and it is asked for of each tenant. */
const SPEND_MS = 10_000;

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

/** Lines by day of this month, and today's name, as what was spent. */
const spentOf = (month: UsageLine[], today: string): ConsoleSpend["spent"] => ({
  today: spentIn(month.filter((it) => it.key === today)),
  month: spentIn(month),
});

const firstOfMonth = (day: string): string => `${day.slice(0, 7)}-01`;

/** Spend by UTC day, agent and model, against the budgets. */
export function usageRoutes(data: TenantData, now: () => number = Date.now): Route[] {
  const spends = new TimedCache<ConsoleSpend["spent"]>(SPEND_MS);
  const spend = async (name: string): Promise<ConsoleSpend["spent"]> => {
    const to = dayOf(now());
    const days = { from: firstOfMonth(to), to };
    return spentOf(await data.rows(name, "reading the spend", (db) => usageOfTenant(db, "day", days)), to);
  };
  return [
    {
      method: "GET",
      path: "/tenants/:tenant/spend",
      right: "usage",
      async answer({ params }): Promise<ConsoleSpend> {
        const { metadata, spec } = data.tenant(params["tenant"] ?? "");
        return {
          spent: await spends.get(metadata.uid, () => spend(metadata.name)),
          budget: shownBudget(spec),
        };
      },
    },
    {
      method: "GET",
      path: "/tenants/:tenant/usage",
      right: "usage",
      async answer({ params, query: given }): Promise<ConsoleUsage> {
        const { days } = queryOf(query, given);
        const name = params["tenant"] ?? "";
        const to = dayOf(now());
        const from = dayOf(now() - (days - 1) * DAY_MS);
        const { byDay, byAgent, byModel, month } = await data.rows(name, "reading the usage", async (db) => ({
          byDay: await usageOfTenant(db, "day", { from, to }),
          byAgent: await usageOfTenant(db, "agent", { from, to }),
          byModel: await usageOfTenant(db, "model", { from, to }),
          month: await usageOfTenant(db, "day", { from: firstOfMonth(to), to }),
        }));
        const spent = spentOf(month, to);
        return { from, to, byDay, byAgent, byModel, spent, budget: shownBudget(data.tenant(name).spec) };
      },
    },
  ];
}
