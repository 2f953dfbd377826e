import type { AgentConfig } from "../../api/agent-config.ts";
import { appendAuditLine } from "../../database/runs/append-audit-line.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { sessionById } from "../../database/runs/sessions.ts";
import { auditLine } from "../engine/audit.ts";
import type { Question } from "../engine/engine.ts";
import { auditOfRuling } from "../engine/message-hooks.ts";
import type { Hooks } from "../hooks/hook.ts";
import { uuidv7 } from "../uuid.ts";
import { forbidden, notFound, Problem } from "./problems.ts";

export interface QuestionCheck {
  db: AgentDatabase;
  config: AgentConfig;
  beforeMessage: NonNullable<Hooks["beforeMessage"]>;
}

/**
 * The question, as the hooks let it pass, before it is stored or sent anywhere. What they said is in the audit log first: a run is
 * never there without it.
 * @throws Problem 422 when a hook blocks it; 403 or 404 when the session is not the user's: hooks are not called for others
 */
export async function checkedQuestion(
  { db, config, beforeMessage }: QuestionCheck,
  question: Question,
): Promise<Question> {
  const { sessionId, userId, variables, message } = question;
  const session = await sessionById(db, sessionId, config.agent.name);
  if (!session) throw notFound("session");
  if (session.userId !== userId) throw forbidden();
  const runId = uuidv7();
  const place = { runId, sessionId, userId, variables, signal: new AbortController().signal };
  const ruling = await beforeMessage({ text: message, delegatedTo: null }, place);
  const audit = auditOfRuling(ruling);
  if (audit) await appendAuditLine(db, auditLine(config, { id: runId, sessionId, userId }, "message.checked", audit));
  if (ruling.blocked)
    throw new Problem(
      422,
      `blocked by hook ${ruling.hook}: ${ruling.reason}`,
      {},
      { code: "blocked-by-hook", field: "#/message" },
    );
  return { ...question, message: ruling.value.text, runId };
}
