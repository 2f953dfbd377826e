import type { AgentConfig } from "../../api/agent-config.ts";
import { compactIdleSession } from "../../database/runs/compact-idle-session.ts";
import type { Rewrite } from "../../database/runs/compact-conversation.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import type { ClaimedRun, Message, Tokens } from "../../database/runs/run.ts";
import type { Session } from "../../database/runs/sessions.ts";
import { NOTHING_DONE } from "../../database/runs/apply-steps.ts";
import { auditLine } from "../engine/audit.ts";
import { type CompactionResult, RunChannel } from "../engine/events.ts";
import { freshRun } from "../engine/fresh-run.ts";
import { costOf } from "../prices.ts";
import { uuidv7 } from "../uuid.ts";
import type { CompactedWork } from "./compacted-work.ts";
import type { Entry } from "./protect.ts";

/** The session has something else to do, or was compacted by somebody else: nothing was written. */
export class SessionBusy extends Error {
  override name = "SessionBusy";
  constructor() {
    super("the session has a run under way, or its conversation has just changed");
  }
}

/**
 * Compacting a session between its runs, because somebody asked for it. It is a run of its own in the books: with an id, a cost,
 * and an audit line. Nothing is held meanwhile; a question that comes first wins.
 */
export class IdleSessionWork implements CompactedWork {
  readonly run: ClaimedRun;
  readonly channel: RunChannel;
  readonly signal: AbortSignal;
  readonly messages: Message[];
  /** Of the last message; 0 when there is none. */
  readonly lastSeq: number;
  result: CompactionResult | undefined;
  /** Whether there is a run of it. */
  written = false;
  readonly #db: AgentDatabase;
  readonly #config: AgentConfig;
  readonly #worker: string;
  readonly #session: Session;

  constructor(
    host: { db: AgentDatabase; config: AgentConfig; worker: string },
    session: Session,
    entries: Entry[],
    signal: AbortSignal,
  ) {
    this.#db = host.db;
    this.#config = host.config;
    this.#worker = host.worker;
    this.#session = session;
    this.lastSeq = entries.at(-1)?.seq ?? 0;
    this.messages = entries.map(({ role, content }) => ({ role, content }));
    this.signal = signal;
    this.run = freshRun({ id: uuidv7(), sessionId: session.id, userId: session.userId });
    this.channel = new RunChannel(this.lastSeq);
    this.channel.listen((event) => {
      if (event?.type === "compaction.finished") this.result = event.data;
    });
  }

  spent(model: string, tokens: Tokens): void {
    const { run } = this;
    for (const kind of ["input", "output", "cacheRead", "cacheWrite"] as const) run.tokens[kind] += tokens[kind];
    run.usd += costOf(model, tokens);
  }

  /** @throws SessionBusy */
  async rewrite(rewrite: Rewrite, _messages: Message[], audit: { at: string; record: string }[]): Promise<void> {
    await this.#write(rewrite, audit, null);
  }

  /** What was paid for a summary that was no use is written all the same. @throws SessionBusy */
  async settle(): Promise<void> {
    if (this.written || this.run.usd === 0) return;
    const error = { type: "summary_failed", message: "no summary could be had: the conversation is as it was" };
    const line = auditLine(this.#config, this.run, "run.failed", { success: false, error: error.type });
    await this.#write({ changed: [], removed: [] }, [line], error);
  }

  async #write(
    rewrite: Rewrite,
    audit: { at: string; record: string }[],
    error: { type: string; message: string } | null,
  ): Promise<void> {
    const { id, sessionId, tokens, usd } = this.run;
    const step = {
      ...NOTHING_DONE,
      run: id,
      sessionId,
      worker: this.#worker,
      fence: 1,
      step: 1,
      from: "running" as const,
      to: error ? ("failed" as const) : ("completed" as const),
      iteration: 0,
      tokens,
      usd: Number(usd.toFixed(8)),
      error,
      audit,
    };
    const run = {
      agent: this.#config.agent.name,
      model: this.#config.compaction.summarizerModel,
      title: "(compaction)",
      compactions: this.#session.compactions,
      lastSeq: this.lastSeq,
    };
    if (!(await compactIdleSession(this.#db, run, step, rewrite))) throw new SessionBusy();
    this.written = true;
  }
}
