import type { AgentConfig } from "../../api/agent-config.ts";
import type { Spend, TenantLoad } from "../../database/runs/load.ts";

export interface BudgetRefusal {
  message: string;
}

const nextDay = (now: Date): string =>
  new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1)).toISOString();
const nextMonth = (now: Date): string =>
  new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)).toISOString();

interface Limit {
  name: string;
  spent: Spend;
  limit: { usd?: string | undefined; tokens?: number | undefined } | undefined;
  resets: string;
}

const limitsOf = (budget: AgentConfig["budget"], load: Pick<TenantLoad, "day" | "month">, now: Date): Limit[] => [
  { name: "budget.perDay", spent: load.day, limit: budget.perDay, resets: nextDay(now) },
  { name: "budget.perMonth", spent: load.month, limit: budget.perMonth, resets: nextMonth(now) },
];

/**
 * Whether a call fits the budget: what is settled, plus what this process has under way, plus the most that the call can cost.
 * What other processes have under way is not known here, so all replicas together may overrun by one call each.
 */
export function refusedByBudget(
  budget: AgentConfig["budget"],
  load: Pick<TenantLoad, "day" | "month">,
  underway: Spend,
  call: Spend,
  now: Date,
): BudgetRefusal | undefined {
  for (const { name, spent, limit, resets } of limitsOf(budget, load, now)) {
    if (limit?.usd !== undefined && spent.usd + underway.usd + call.usd > Number(limit.usd)) {
      return { message: `${name}.usd (${limit.usd} USD) would be exceeded; it resets at ${resets} (UTC)` };
    }
    if (limit?.tokens !== undefined && spent.tokens + underway.tokens + call.tokens > limit.tokens) {
      return { message: `${name}.tokens (${limit.tokens}) would be exceeded; it resets at ${resets} (UTC)` };
    }
  }
  return undefined;
}

/** How much of the tightest limit is spent: 0 none, 1 all. */
export function budgetRatio(budget: AgentConfig["budget"], load: Pick<TenantLoad, "day" | "month">): number {
  const ratios = limitsOf(budget, load, new Date(0)).flatMap(({ spent, limit }) => [
    ...(limit?.usd === undefined ? [] : [spent.usd / Math.max(Number(limit.usd), 1e-9)]),
    ...(limit?.tokens === undefined ? [] : [spent.tokens / Math.max(limit.tokens, 1)]),
  ]);
  return Math.max(0, ...ratios);
}
