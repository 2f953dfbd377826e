import { Router } from "express";
import type { z } from "zod";
import type { AgentConfig } from "../../api/agent-config.ts";
import { budgetUse } from "../../database/runs/reserve-budget.ts";
import { type UsageLine, usageOfRuns, usageOfTenant } from "../../database/runs/usage.ts";
import { type Limit, limitsOf } from "../engine/budget.ts";
import type { Caller } from "./caller.ts";
import { queryOf } from "./input.ts";
import { Problem } from "./problems.ts";
import type { RunRoutes } from "./runs.ts";
import { type limits, nothing, type usageQuery as UsageQuery, usageQuery } from "./schemas.ts";
import { callerOf } from "./sessions.ts";

function usageLines(
  { db }: Pick<RunRoutes, "db">,
  caller: Caller,
  { from, to, by, scope }: z.output<typeof UsageQuery>,
): Promise<UsageLine[]> {
  if (scope === "user") return usageOfRuns(db, by, { from, to, userId: caller.userId });
  if (!caller.admin)
    throw new Problem(403, "the tenant's usage is for tokens with the scope agentpg:admin", {}, { field: "?scope" });
  return by === "user" ? usageOfRuns(db, by, { from, to, userId: null }) : usageOfTenant(db, by, { from, to });
}

/** How far a budget is spent; amounts are the tenant's business, and only for those who look after it. */
function shownBudget({ name, spent, limit, resets }: Limit, admin: boolean) {
  const usd = limit.usd === undefined ? undefined : { limit: Number(limit.usd), spent: spent.usd };
  const tokens = limit.tokens === undefined ? undefined : { limit: limit.tokens, spent: spent.tokens };
  const exhausted = [usd, tokens].some((it) => it !== undefined && it.spent >= it.limit);
  return { name, exhausted, resets, ...(admin && usd ? { usd } : {}), ...(admin && tokens ? { tokens } : {}) };
}

/** What was spent, and what limits there are. */
export function usageRoutes(routes: Pick<RunRoutes, "db" | "engine" | "load">, config: AgentConfig): Router {
  const { db, engine, load } = routes;
  const router = Router();
  router.get("/usage", async (req, res) => {
    const query = queryOf(usageQuery, req);
    res.json({ ...query, items: await usageLines(routes, callerOf(res), query) });
  });
  router.get("/limits", async (req, res) => {
    queryOf(nothing, req);
    const { admin } = callerOf(res);
    const use = await budgetUse(db, config.agent.name, engine.worker);
    const { tenantLimits, limits: own } = config;
    const body: z.output<typeof limits> = {
      budgets: limitsOf(config, use, new Date()).map((it) => shownBudget(it, admin)),
      runsPerMinute: Math.min(tenantLimits.runsPerMinute, own.runsPerMinute ?? Number.POSITIVE_INFINITY),
      concurrentRuns: load.concurrentRuns,
      queuedRuns: own.queuedRuns,
      queued: load.queued,
    };
    res.json(body);
  });
  return router;
}
