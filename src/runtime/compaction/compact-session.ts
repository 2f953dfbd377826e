import type { AgentConfig } from "../../api/agent-config.ts";
import { archivedMessages, compactableConversation, sessionIsBusy } from "../../database/runs/compactable.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import type { Session } from "../../database/runs/sessions.ts";
import type { CompactionResult } from "../engine/events.ts";
import type { Compactor } from "./compactor.ts";
import type { CountedContexts } from "./counted-contexts.ts";
import { IdleSessionWork, SessionBusy } from "./idle-session.ts";

export interface SessionCompaction {
  db: AgentDatabase;
  config: AgentConfig;
  compactor: Compactor;
  worker: string;
  budget: { written(run: string): void; forget(run: string): void };
}

const NEVER = new AbortController().signal;

/** How full a session's context is. Tokens are as the API counts them, or, when it does not say, about right. */
export interface ContextStats {
  tokens: number;
  windowTokens: number;
  /** From there on the next run compacts it. */
  triggerTokens: number;
  targetTokens: number;
  needsCompaction: boolean;
  compactions: number;
  /** In the conversation as the model gets it. */
  messages: number;
  /** Originals that are kept of what was changed or taken out. */
  archivedMessages: number;
}

export interface CompactedSession extends CompactionResult {
  /** The run that it is in the books; null when there was nothing to do. */
  runId: string | null;
}

export async function contextStats(
  host: SessionCompaction,
  session: Session,
  counted: CountedContexts,
): Promise<ContextStats> {
  const work = await open(host, session, NEVER); // others may wait for the same count
  const { window, trigger, target } = host.compactor.limits;
  const tokens = await counted.tokens(session, work.lastSeq, () => host.compactor.tokens(work));
  return {
    tokens,
    windowTokens: window,
    triggerTokens: trigger,
    targetTokens: target,
    needsCompaction: tokens >= trigger,
    compactions: session.compactions,
    messages: work.messages.length,
    archivedMessages: await archivedMessages(host.db, session.id),
  };
}

/** Compacts a session down to its target now. @throws SessionBusy when a run is under way, or begins first */
export async function compactSession(
  host: SessionCompaction,
  session: Session,
  signal: AbortSignal,
): Promise<CompactedSession> {
  if (await sessionIsBusy(host.db, host.config.agent.name, session.id)) throw new SessionBusy();
  const work = await open(host, session, signal);
  try {
    const tokens = await host.compactor.toTarget(work);
    await work.settle();
    const unchanged = { outcome: "unchanged" as const, tokensBefore: tokens, tokensAfter: tokens };
    return { runId: work.written ? work.run.id : null, ...(work.result ?? unchanged) };
  } catch (error) {
    await work.settle().catch(() => {}); // of two reasons the first one is told
    throw error;
  } finally {
    if (work.written) host.budget.written(work.run.id);
    host.budget.forget(work.run.id);
  }
}

async function open(host: SessionCompaction, session: Session, signal: AbortSignal): Promise<IdleSessionWork> {
  return new IdleSessionWork(host, session, await compactableConversation(host.db, session.id), signal);
}
