import { compactConversation, type HeldStep, type Rewrite } from "../../database/runs/compact-conversation.ts";
import { compactableConversation } from "../../database/runs/compactable.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { patiently } from "../../database/runs/patiently.ts";
import type { Logger } from "../../telemetry/log.ts";
import { askAside, type AskHost, requestOf } from "../engine/ask.ts";
import type { Asker } from "../engine/call-budget.ts";
import type { ModelAnswer } from "../model/accumulate.ts";
import type { ModelRequest } from "../model/client.ts";
import { Compactor } from "./compactor.ts";

/** Neither what is summarised nor the summary has anything in it that the agent's policy keeps away. */
async function askProtected(asking: AskHost, request: ModelRequest, asker: Asker): Promise<ModelAnswer> {
  const { protection } = asking;
  if (!protection) return askAside(asking, request, asker);
  const answer = await askAside(asking, { ...request, messages: protection.outgoing(request.messages) }, asker);
  return { ...answer, content: protection.answer(answer.content).value };
}

/** The compactor of an agent's engine. */
export function createCompactor(asking: AskHost, db: AgentDatabase, log: Logger): Compactor {
  const { config, metrics, model } = asking;
  return new Compactor({
    config,
    log,
    metrics,
    request: (messages) => requestOf(asking, messages),
    count: (request, signal) => model.count(request, signal),
    window: (name) => model.window(name),
    aside: (request, asker) => askProtected(asking, request, asker),
    stored: (sessionId) => compactableConversation(db, sessionId),
  });
}

/** How long a write is tried again while the database cannot be reached. */
const PATIENCE_MS = 120_000;

/** Writes a compaction; a database that is out of reach for a moment is waited for. @returns whether it was applied */
export function writeCompaction(db: AgentDatabase, step: HeldStep, rewrite: Rewrite): Promise<boolean> {
  return patiently(() => compactConversation(db, step, rewrite), PATIENCE_MS);
}
