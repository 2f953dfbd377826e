import type { AgentConfig } from "../../api/agent-config.ts";
import { type IntendedRun, intendBatch, intendWithinBudget } from "../../database/runs/intend-batch.ts";
import { type BudgetUse, budgetUse, NOBODY } from "../../database/runs/reserve-budget.ts";
import type { AskHost } from "../engine/ask.ts";
import { leftOf, refusedByBudget } from "../engine/budget.ts";
import { type Asker, checkRunBudget } from "../engine/call-budget.ts";
import { RunFailed } from "../engine/stop.ts";
import { worstOf } from "../engine/worst-case.ts";
import type { ModelRequest } from "../model/client.ts";
import type { BatchHost } from "./host.ts";

/**
 * Before a run waits for a batch: whether the budgets have room for its answer, whatever others have reserved. It is reserved when
 * the run is submitted, as a part of its row, and until what it has cost is written there.
 * @throws RunFailed
 */
export async function checkBudgets(
  asking: AskHost,
  { db }: Pick<BatchHost, "db">,
  request: ModelRequest,
  asker: Asker,
): Promise<void> {
  const { config, budget } = asking;
  const worst = worstOf(request, true);
  if (config.agentBudget.perRun) await checkRunBudget(asking, asker, worst);
  if (!budget.limited) return;
  const refusal = refusedByBudget(config, await budgetUse(db, config.agent.name, NOBODY), worst, new Date());
  if (refusal) throw new RunFailed("budget_exceeded", refusal.message);
}

/** Notes the intent for those of the runs that there is room for now. @returns their ids */
export async function intend(
  { db, config, limited }: BatchHost,
  group: string,
  runs: IntendedRun[],
): Promise<Set<string>> {
  const agent = config.agent.name;
  const intended = limited
    ? await intendWithinBudget(db, agent, group, (use) => affordable(config, use, runs))
    : await intendBatch(db, agent, group, runs);
  return new Set(intended);
}

function affordable(config: AgentConfig, use: BudgetUse, runs: IntendedRun[]): IntendedRun[] {
  const left = leftOf(config, use, new Date());
  return runs.filter(({ usd, tokens }) => {
    if (usd > left.usd || tokens > left.tokens) return false;
    left.usd -= usd;
    left.tokens -= tokens;
    return true;
  });
}
