import type { AgentConfig } from "../../api/agent-config.ts";
import { appendAuditLine } from "../../database/runs/append-audit-line.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { sessionById } from "../../database/runs/sessions.ts";
import { auditLine } from "../engine/audit.ts";
import type { Question } from "../engine/engine.ts";
import { auditOfRuling } from "../engine/message-hooks.ts";
import type { Hooks } from "../hooks/hook.ts";
import { asAnnotations, isClean, kindsIn, type Protection } from "../pii/protection.ts";
import { uuidv7 } from "../uuid.ts";
import { personalData } from "./clean.ts";
import { forbidden, notFound, Problem } from "./problems.ts";

export interface QuestionCheck {
  db: AgentDatabase;
  config: AgentConfig;
  beforeMessage: NonNullable<Hooks["beforeMessage"]>;
  protection?: Protection | undefined;
  /** Whether modules have a hook here: they are called for the session's own user only. */
  asksModules: boolean;
}

/** A question has no time limit of its own. */
const NEVER = new AbortController().signal;

/**
 * The question, as the hooks let it pass, before it is stored or sent anywhere. What they said is in the audit log first: a run is
 * never there without it.
 * @throws Problem 422 when a hook blocks it; 403 or 404 when the session is not the user's: hooks are not called for others
 */
export async function checkedQuestion(
  { db, config, beforeMessage, protection, asksModules }: QuestionCheck,
  asked: Question,
): Promise<Question> {
  const { sessionId, userId, message } = asked;
  let asking: Promise<void> | undefined;
  const isOwner = () =>
    (asking ??= sessionById(db, sessionId, config.agent.name).then((session) => {
      if (!session) throw notFound("session");
      if (session.userId !== userId) throw forbidden();
    }));
  // Where there is nothing to say or write, accepting the run asks whose session it is: one round trip less.
  if (asksModules) await isOwner();
  const runId = uuidv7();
  const line = async (detail: Record<string, unknown>) => {
    await isOwner();
    await appendAuditLine(db, auditLine(config, { id: runId, sessionId, userId }, "message.checked", detail));
  };
  const variables = protection ? await cleanVariables(protection, asked.variables, line) : asked.variables;
  const place = { runId, sessionId, userId, variables, signal: NEVER };
  const ruling = await beforeMessage({ text: message, delegatedTo: null }, place);
  const audit = auditOfRuling(ruling);
  if (audit) await line(audit);
  if (ruling.blocked)
    throw new Problem(
      422,
      `blocked by hook ${ruling.hook}: ${ruling.reason}`,
      {},
      { code: "blocked-by-hook", field: "#/message" },
    );
  return { ...asked, variables, message: ruling.value.text, runId };
}

/** Tools get of the variables what is stored of them. @throws Problem 422 */
async function cleanVariables(
  protection: Protection,
  variables: Question["variables"],
  line: (detail: Record<string, unknown>) => Promise<void>,
): Promise<Question["variables"]> {
  const { value, counts } = protection.json(variables);
  if (isClean(counts)) return value;
  const blocked = protection.policy === "Block";
  await line({ success: !blocked, field: "variables", pii: asAnnotations(counts) });
  if (blocked) throw personalData("#/variables", kindsIn(counts));
  return value;
}
