import { type Request, type Response, Router } from "express";
import { approvalsOfUser, decideApproval, type DecisionOutcome } from "../../database/runs/approvals.ts";
import type { RunView } from "../../database/runs/read-run.ts";
import { auditLine } from "../engine/audit.ts";
import { bodyOf } from "./input.ts";
import { notFound, Problem } from "./problems.ts";
import { ownRun, type RunRoutes } from "./runs.ts";
import { decision } from "./schemas.ts";
import { callerOf, uuidParam } from "./sessions.ts";

const MOST = 100;

function refuse(outcome: DecisionOutcome): void {
  if (outcome === "not_found") throw notFound("call that waits for an approval");
  if (outcome === "expired")
    throw new Problem(409, "nobody is waited for any more: the time is over, or the run has ended");
  if (outcome === "decided_otherwise") throw new Problem(409, "the opposite was decided before");
}

async function decide(routes: RunRoutes, run: RunView, toolUseId: string, req: Request, res: Response) {
  const { approve, reason } = bodyOf(decision, req);
  const { userId } = callerOf(res);
  const said = reason ? `: ${reason}` : "";
  const outcome = await decideApproval(routes.db, {
    runId: run.id,
    toolUseId,
    approved: approve,
    by: userId,
    output: `A person denied this call${said}. It was not made.`,
    audit: auditLine(routes.engine.config, run, "approval.decided", {
      toolUse: toolUseId,
      by: userId,
      success: approve,
    }),
  });
  refuse(outcome);
  routes.engine.hint();
  res.json({ runId: run.id, toolUseId, approved: approve });
}

/** Calls of tools that wait for a person (Agent spec.approvals): the owner of the session sees them and decides. */
export function approvalRoutes(routes: RunRoutes): Router {
  const router = Router();
  router.get("/approvals", async (_req, res) => {
    res.json({ items: await approvalsOfUser(routes.db, routes.agent, callerOf(res).userId, MOST) });
  });
  router.post("/runs/:id/approvals/:toolUseId", async (req, res) => {
    const run = await ownRun(routes, uuidParam(req, "id", "run"), callerOf(res));
    await decide(routes, run, req.params.toolUseId, req, res);
  });
  return router;
}
