import type { AgentConfig } from "../../api/agent-config.ts";
import type { ClaimedRun } from "../../database/runs/run.ts";

/** A line of the audit log: who did what, when, to what end. The text is what the chain's hash is over. */
export function auditLine(
  config: AgentConfig,
  run: Pick<ClaimedRun, "id" | "sessionId" | "userId">,
  action: string,
  detail: Record<string, unknown>,
  now = new Date(),
): { at: string; record: string } {
  const at = now.toISOString();
  const record = JSON.stringify({
    at,
    tenant: config.tenant.name,
    agent: config.agent.name,
    user: run.userId,
    action,
    run: run.id,
    session: run.sessionId,
    ...detail,
  });
  return { at, record: record.replaceAll("\\u0000", "\\ufffd").toWellFormed() };
}
