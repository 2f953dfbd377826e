import { z } from "zod";
import type { Agent } from "../../api/agent.ts";
import type { ConsoleApproval, ConsoleDecision } from "../../api/console.ts";
import { denialReason } from "../../api/denial.ts";
import { runOfCall, waitingApprovals } from "../../database/console/approvals.ts";
import { consoleAuditLine } from "../../database/console/record-look.ts";
import { decideApproval, type DecisionOutcome } from "../../database/runs/approvals.ts";
import type { Call, Route } from "./call.ts";
import { checked } from "./input.ts";
import { notFound, Problem } from "./problem.ts";
import type { TenantData } from "./tenant-data.ts";

const MOST = 100;
const decision = z
  .strictObject({
    runId: z.uuid("must be the id of a run, a UUID"),
    toolUseId: z.string().min(1).max(256),
    approve: z.boolean("must be true or false"),
    reason: denialReason.optional(),
  })
  .refine((it) => !(it.approve && it.reason), {
    path: ["reason"],
    error: "is of a denial: leave it out where you approve",
  });

/** The agent's pods look for personal data in a reason, as its policy says; nobody does here. */
const takesReason = (agent: Agent | undefined): boolean => agent?.spec.dataProtection.pii === "Off";

const noReason = (agent: string) =>
  new Problem(
    422,
    "reason-not-taken",
    `reason: agent ${agent} has its rules for personal data, which are not applied here`,
    "deny without a reason, or by `agentpg deny --reason`",
  );

function refuse(outcome: DecisionOutcome): void {
  if (outcome === "not_found") throw notFound("call that waits for an approval", "load the list again");
  if (outcome === "expired")
    throw new Problem(
      409,
      "expired",
      "nobody is waited for any more: the time is over, or the run has ended",
      "load the list again",
    );
  if (outcome === "decided_otherwise")
    throw new Problem(
      409,
      "decided-otherwise",
      "somebody decided the opposite before",
      "the tenant's audit log says who",
    );
}

/** Calls that wait for a person, and the person's word. The agent's pods see it within about a second. */
export function approvalRoutes(data: TenantData): Route[] {
  const decide = async ({ caller, params, body }: Call): Promise<ConsoleDecision> => {
    const { runId, toolUseId, approve, reason } = checked(decision, body);
    const tenant = params["tenant"] ?? "";
    const by = caller.identity.username;
    const run = await data.rows(tenant, "looking for a run", (db) => runOfCall(db, runId.toLowerCase()));
    if (!run) throw notFound("run", "load the list again");
    if (reason && !takesReason(data.agent(tenant, run.agent))) throw noReason(run.agent);
    const outcome = await data.write(tenant, run.agent, "deciding on a call", (db, name) =>
      decideApproval(db, {
        runId: run.id,
        toolUseId,
        approved: approve,
        by,
        reason,
        audit: consoleAuditLine(
          name,
          { agent: run.agent, user: run.userId, session: run.sessionId, run: run.id },
          "approval.decided",
          { toolUse: toolUseId, by, as: "console", success: approve, ...(reason ? { input: { reason } } : {}) },
        ),
      }),
    );
    refuse(outcome);
    return { runId, toolUseId, approve };
  };
  return [
    {
      method: "GET",
      path: "/tenants/:tenant/approvals",
      right: "approvals",
      async answer({ params }): Promise<{ items: ConsoleApproval[] }> {
        const tenant = params["tenant"] ?? "";
        const calls = await data.content(tenant, "listing approvals", (db) => waitingApprovals(db, MOST));
        return { items: calls.map((it) => ({ ...it, takesReason: takesReason(data.agent(tenant, it.agent)) })) };
      },
    },
    { method: "POST", path: "/tenants/:tenant/approvals", right: "decide", answer: decide },
  ];
}
