import type { AgentConfig } from "../../api/agent-config.ts";
import type { Spend } from "../../database/runs/load.ts";
import type { BudgetUse } from "../../database/runs/reserve-budget.ts";

export interface BudgetRefusal {
  message: string;
}

/** The hard limits on spend that hold for an agent: its tenant's and its own. */
export type Budgets = Pick<AgentConfig, "budget" | "agentBudget">;

const nextDay = (now: Date): string =>
  new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1)).toISOString();
const nextMonth = (now: Date): string =>
  new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)).toISOString();

export interface Limit {
  name: string;
  spent: Spend;
  /** Reserved by other workers. */
  others: Spend;
  limit: { usd?: string | undefined; tokens?: number | undefined };
  resets: string;
}

export function limitsOf({ budget, agentBudget }: Budgets, use: BudgetUse, now: Date): Limit[] {
  const all = [
    { name: "the tenant's budget.perDay", of: use.tenant.day, others: use.others.tenant, limit: budget.perDay },
    { name: "the tenant's budget.perMonth", of: use.tenant.month, others: use.others.tenant, limit: budget.perMonth },
    { name: "the agent's budget.perDay", of: use.agent.day, others: use.others.agent, limit: agentBudget.perDay },
    { name: "the agent's budget.perMonth", of: use.agent.month, others: use.others.agent, limit: agentBudget.perMonth },
  ];
  return all.flatMap(({ name, of: spent, others, limit }) =>
    limit ? [{ name, spent, others, limit, resets: name.endsWith("Day") ? nextDay(now) : nextMonth(now) }] : [],
  );
}

/** What is left under all limits for this worker, with what it holds already; `Infinity` where nothing limits it. */
export function leftOf(budgets: Budgets, use: BudgetUse, now: Date): Spend {
  const limits = limitsOf(budgets, use, now);
  const least = (values: number[]) => Math.max(0, Math.min(Number.POSITIVE_INFINITY, ...values));
  return {
    usd: least(
      limits.flatMap(({ limit, spent, others }) =>
        limit.usd === undefined ? [] : [Number(limit.usd) - spent.usd - others.usd],
      ),
    ),
    tokens: least(
      limits.flatMap(({ limit, spent, others }) =>
        limit.tokens === undefined ? [] : [limit.tokens - spent.tokens - others.tokens],
      ),
    ),
  };
}

/**
 * The limit that a worker would break that needs so much, whatever others have reserved; undefined when there is none: then it is
 * others' reserves that are in the way, and waiting helps.
 */
export function refusedByBudget(budgets: Budgets, use: BudgetUse, needed: Spend, now: Date): BudgetRefusal | undefined {
  for (const { name, spent, limit, resets } of limitsOf(budgets, use, now)) {
    if (limit.usd !== undefined && spent.usd + needed.usd > Number(limit.usd))
      return { message: `${name}.usd (${limit.usd} USD) would be exceeded; it resets at ${resets} (UTC)` };
    if (limit.tokens !== undefined && spent.tokens + needed.tokens > limit.tokens)
      return { message: `${name}.tokens (${limit.tokens}) would be exceeded; it resets at ${resets} (UTC)` };
  }
  return undefined;
}

/** Whether a run may spend so much more. @param spent by it and the runs that it asked for */
export function refusedByRunBudget(
  { perRun }: AgentConfig["agentBudget"],
  spent: Spend,
  call: Spend,
): BudgetRefusal | undefined {
  if (perRun?.usd !== undefined && spent.usd + call.usd > Number(perRun.usd))
    return { message: `the agent's budget.perRun.usd (${perRun.usd} USD) would be exceeded; ask in a new run` };
  if (perRun?.tokens !== undefined && spent.tokens + call.tokens > perRun.tokens)
    return { message: `the agent's budget.perRun.tokens (${perRun.tokens}) would be exceeded; ask in a new run` };
  return undefined;
}

/** How much of the tenant's tightest limit is spent: 0 none, 1 all. */
export function budgetRatio(budget: AgentConfig["budget"], load: BudgetUse["tenant"]): number {
  const ratios = [
    { spent: load.day, limit: budget.perDay },
    { spent: load.month, limit: budget.perMonth },
  ].flatMap(({ spent, limit }) => [
    ...(limit?.usd === undefined ? [] : [spent.usd / Math.max(Number(limit.usd), 1e-9)]),
    ...(limit?.tokens === undefined ? [] : [spent.tokens / Math.max(limit.tokens, 1)]),
  ]);
  return Math.max(0, ...ratios);
}
