import { type Request, type Response, Router } from "express";
import {
  type ApprovalPaging,
  approvalsOfAgent,
  approvalsOfUser,
  decideApproval,
  type DecisionOutcome,
} from "../../database/runs/approvals.ts";
import { runById } from "../../database/runs/read-run.ts";
import { storableText } from "../../database/runs/storable.ts";
import { auditLine } from "../engine/audit.ts";
import { decidesAs, notYoursToDecide } from "./approval-rights.ts";
import { cleanText } from "./clean.ts";
import type { Caller } from "./caller.ts";
import { bodyOf, queryOf } from "./input.ts";
import { notFound, Problem } from "./problems.ts";
import type { RunRoutes } from "./runs.ts";
import { approvalsQuery, decision } from "./schemas.ts";
import { callerOf, uuidParam } from "./sessions.ts";

const noSuchCall = () => notFound("call that waits for an approval");

function refuse(outcome: DecisionOutcome): void {
  if (outcome === "not_found") throw noSuchCall();
  if (outcome === "expired")
    throw new Problem(409, "nobody is waited for any more: the time is over, or the run has ended");
  if (outcome === "decided_otherwise") throw new Problem(409, "the opposite was decided before");
}

/** The run, and as whom the caller decides on its calls. @throws Problem 403, 404 */
async function decidable({ db, agent, engine }: RunRoutes, id: string, caller: Caller) {
  const run = await runById(db, id, agent);
  if (!run) throw notFound("run");
  const as = decidesAs(engine.config, run.userId, caller);
  if (!as) throw notYoursToDecide(engine.config, run.userId, caller);
  return { run, as };
}

async function decide(routes: RunRoutes, req: Request, res: Response) {
  const toolUseId = String(req.params.toolUseId);
  const { approve, reason } = bodyOf(decision, req);
  const { run, as } = await decidable(routes, uuidParam(req, "id", "run"), callerOf(res));
  if (storableText(toolUseId) !== toolUseId) throw noSuchCall();
  const { userId } = callerOf(res);
  const said = reason && routes.protection ? cleanText(routes.protection, "#/reason", reason) : reason;
  const outcome = await decideApproval(routes.db, {
    runId: run.id,
    toolUseId,
    approved: approve,
    by: userId,
    reason: said,
    audit: auditLine(routes.engine.config, run, "approval.decided", {
      toolUse: toolUseId,
      by: userId,
      as,
      success: approve,
      ...(said ? { input: { reason: said } } : {}), // encrypted where the conversation is
    }),
  });
  refuse(outcome);
  if (outcome === "decided") routes.metrics.approvals.inc({ outcome: approve ? "approved" : "denied" });
  routes.engine.hint();
  res.json({ runId: run.id, toolUseId, approved: approve });
}

async function pending({ db, agent, engine }: RunRoutes, caller: Caller, paging: ApprovalPaging) {
  const items = await (caller.approver
    ? approvalsOfAgent(db, agent, paging)
    : approvalsOfUser(db, agent, caller.userId, paging));
  return items.map((it) => ({ ...it, mayDecide: decidesAs(engine.config, it.user, caller) !== undefined }));
}

/** Calls of tools that wait for a person (Agent spec.approvals): the owner of the session, or an approver, sees them and decides. */
export function approvalRoutes(routes: RunRoutes): Router {
  const router = Router();
  router.get("/approvals", async (req, res) => {
    const { limit, after } = queryOf(approvalsQuery, req);
    const items = await pending(routes, callerOf(res), { limit, after: after ?? null });
    const last = items.length === limit ? items.at(-1) : undefined;
    res.json({ items, next: last ? `${last.runId}.${last.toolUseId}` : null });
  });
  router.post("/runs/:id/approvals/:toolUseId", (req, res) => decide(routes, req, res));
  return router;
}
