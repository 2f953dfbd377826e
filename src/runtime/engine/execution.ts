import { setTimeout as sleep } from "node:timers/promises";
import type { AgentConfig } from "../../api/agent-config.ts";
import { TranscriptUnreadable } from "../../database/encryption/errors.ts";
import { isTransient } from "../../database/runs/database.ts";
import { type FinishedExecution, NOTHING_DONE, type RunStep } from "../../database/runs/apply-steps.ts";
import type { Rewrite } from "../../database/runs/compact-conversation.ts";
import type {
  ClaimedRun,
  ContentBlock,
  Conversation,
  FinalState,
  Message,
  RunError,
  Tokens,
  ToolExecution,
  UnreadExecution,
} from "../../database/runs/run.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Hooks } from "../hooks/hook.ts";
import type { RuntimeMetrics } from "../metrics/metrics.ts";
import { type ModelAnswer, textOf } from "../model/accumulate.ts";
import { storableContent, withOwnIds } from "../model/fit-content.ts";
import type { Protection } from "../pii/protection.ts";
import { costOf } from "../prices.ts";
import type { Tools } from "../tools/registry.ts";
import type { AgentTracing } from "../tracing/agent-tracing.ts";
import { auditLine } from "./audit.ts";
import type { RunChannel, RunResult } from "./events.ts";
import { checkedAnswer } from "./message-hooks.ts";
import { protectedAnswer } from "./protected-answer.ts";
import { closingResults, isOver, toolUsesOf } from "./pending-tools.ts";
import { ParkRun, RunFailed, StopWork } from "./stop.ts";
import { runTools } from "./tool-round.ts";
import { unfinished } from "./unfinished.ts";
import { UNREADABLE } from "./end-without-work.ts";

/** What an execution needs of the process around it. */
export interface ExecutionHost {
  config: AgentConfig;
  tools: Tools;
  hooks: Hooks;
  protection?: Protection | undefined;
  /** Left out: nobody collects traces. */
  tracing?: AgentTracing | undefined;
  log: Logger;
  metrics: RuntimeMetrics;
  /** @throws RunFailed, or the signal's reason */
  ask(messages: Message[], execution: Execution): Promise<ModelAnswer>;
  write(step: RunStep): Promise<{ applied: boolean; parentAgent: string | null }>;
  /** The step, and with it another conversation in the place of the stored one. @returns whether it was applied */
  rewrite(step: RunStep & { sessionId: string }, rewrite: Rewrite): Promise<boolean>;
  /** @throws TranscriptUnreadable */
  toolExecutions(runId: string): Promise<ToolExecution[]>;
  unreadExecutions(runId: string): Promise<UnreadExecution[]>;
  /** Tells the pods of these agents that there is work. */
  wake(agents: string[]): void;
  cancelChildren(runId: string): Promise<void>;
}

/** `parked`: the run waits (for an agent, a person, a batch, a later moment) and nobody works on it. `released`: another worker is to go on. */
export type ExecutionEnd = FinalState | "parked" | "released" | "lost";

/** What a write says beyond what the run knows of itself; its messages are numbered when they are written. */
type Change = Omit<Partial<RunStep>, "messages"> & { messages?: Message[] };

/** What is still written of calls that the end of the run has cut short. */
interface Closing {
  message?: Message | undefined;
  finished?: FinishedExecution[];
}

/** How long a process that ends waits for the spend of a run to be written, in milliseconds. */
const HANDBACK_MS = 3000;

/** The work on one run by one worker, from where it stands to its end, or to where it has to wait. */
export class Execution {
  readonly run: ClaimedRun;
  readonly host: ExecutionHost;
  readonly channel: RunChannel;
  readonly signal: AbortSignal;
  readonly messages: Message[];
  /** Executions that an earlier worker left; none in a run that this worker began. */
  executions: ToolExecution[] | undefined;
  #lastSeq: number;
  #step: number;
  iteration: number;
  #response: string | null = null;
  #notes: RunStep["audit"] = [];
  /** As the last write has it. */
  #written: Pick<ClaimedRun, "usd" | "iteration" | "batchGroup">;

  constructor(
    host: ExecutionHost,
    run: ClaimedRun,
    conversation: Conversation,
    resumed: boolean,
    channel: RunChannel,
    signal: AbortSignal,
  ) {
    this.host = host;
    this.run = run;
    this.channel = channel;
    this.signal = signal;
    this.messages = conversation.messages;
    this.#lastSeq = conversation.lastSeq;
    this.#step = run.step;
    this.iteration = run.iteration;
    this.#written = { usd: run.usd, iteration: run.iteration, batchGroup: run.batchGroup };
    this.executions = resumed ? undefined : [];
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Works until the run is over or has to wait. @throws when the database is out of reach for long, or takes not even the failure; the run stays to be resumed */
  async work(): Promise<ExecutionEnd> {
    try {
      this.signal.throwIfAborted();
      for (;;) {
        if (toolUsesOf(this.messages.at(-1)).length) {
          if ((await runTools(this)) === "parked") return "parked";
        } else if (await this.#modelTurn()) return "completed";
      }
    } catch (error) {
      return this.#stopped(error);
    }
  }

  /** @returns whether the run is over */
  async #modelTurn(): Promise<boolean> {
    const { limits } = this.host.config;
    if (this.iteration >= limits.maxIterations) {
      throw new RunFailed(
        "max_iterations",
        `the run has called the model ${this.iteration} times without coming to an end (limits.maxIterations)`,
      );
    }
    const answer = await this.host.ask(this.messages, this);
    this.iteration++;
    this.#count(answer);
    const said = withOwnIds(storableContent(answer), this.messages);
    this.#mustBeFinished(answer, said);
    const { afterMessage } = this.host.hooks;
    const kept = protectedAnswer(said, this);
    const content = afterMessage ? await checkedAnswer(afterMessage, kept, this) : kept;
    const goesOn = answer.stopReason === "pause_turn" || content.some((it) => it.type === "tool_use");
    const message: Message = { role: "assistant", content };
    if (goesOn && toolUsesOf(message).length) {
      this.messages.push(message);
      this.callsAreStored = false; // they are stored by the tool round, together with what it starts
      return false;
    }
    if (goesOn) {
      await this.store({ messages: content.length ? [message] : [] });
      return false;
    }
    await this.#finish("completed", { content, stopReason: answer.stopReason, error: null });
    return true;
  }

  /** @throws RunFailed; what was streamed of the answer is void then */
  #mustBeFinished(answer: ModelAnswer, said: ContentBlock[]): void {
    const { maxOutputTokens } = this.host.config;
    const failure = unfinished(answer, said, { maxOutputTokens, firstTurn: this.iteration === 1 });
    if (!failure) return;
    if (textOf(said)) this.channel.part({ type: "restarted", data: { reason: failure.type } });
    throw failure;
  }

  #count({ tokens, batched }: ModelAnswer): void {
    this.spent(this.host.config.model, tokens, batched);
  }

  /** Adds to what the run has cost. */
  spent(model: string, tokens: Tokens, batched = false): void {
    const { run } = this;
    const total = run.tokens;
    run.tokens = {
      input: total.input + tokens.input,
      output: total.output + tokens.output,
      cacheRead: total.cacheRead + tokens.cacheRead,
      cacheWrite: total.cacheWrite + tokens.cacheWrite,
    };
    run.usd += costOf(model, tokens, batched);
  }

  /**
   * Writes what has happened. Messages join the conversation here as well, unless they are there already.
   * @throws StopWork `lost` when another worker holds the run
   */
  async store(change: Change): Promise<{ parentAgent: string | null }> {
    const fresh = change.messages?.map((it, i) => ({ ...it, seq: this.#lastSeq + 1 + i })) ?? [];
    const audit = this.#notes.length ? [...this.#notes.splice(0), ...(change.audit ?? [])] : (change.audit ?? []);
    const outcome = await this.#numbered(() =>
      this.host.write({ ...this.#nextStep(), ...change, messages: fresh, audit }),
    );
    if (!outcome.applied) throw new StopWork("lost");
    this.#noteWritten();
    for (const { role, content } of fresh) {
      const last = this.messages.at(-1);
      if (last?.content !== content) this.messages.push({ role, content });
    }
    this.#lastSeq += fresh.length;
    this.channel.commit(this.#lastSeq);
    return outcome;
  }

  /** The database has it all. */
  #noteWritten(): void {
    const { usd, batchGroup } = this.run;
    this.#written = { usd, batchGroup, iteration: this.iteration };
  }

  /** A line for the audit log, written with what is stored next. */
  note(action: string, detail: Record<string, unknown>): void {
    this.#notes.push(auditLine(this.host.config, this.run, action, detail));
  }

  /** What the database refused to store did not happen: the next write has its number. */
  async #numbered<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      if (!isTransient(error)) this.#step--;
      throw error;
    }
  }

  /** What the run has cost, in US dollars, to as many places as Postgres keeps. */
  #usd(): number {
    return Number(this.run.usd.toFixed(8));
  }

  /** The next write, with nothing but what the run knows of itself. */
  #nextStep() {
    const { id, sessionId, fence, tokens } = this.run;
    return {
      ...NOTHING_DONE,
      run: id,
      sessionId,
      fence,
      step: ++this.#step,
      from: "running" as const,
      to: "running" as const,
      iteration: this.iteration,
      tokens,
      usd: this.#usd(),
      error: null,
      audit: [],
    };
  }

  /**
   * Puts other messages in the place of the stored ones and of those here.
   * @param rewrite how the stored ones come to be `messages`
   * @throws StopWork `lost` when another worker holds the run
   */
  async rewrite(rewrite: Rewrite, messages: Message[], audit: RunStep["audit"]): Promise<void> {
    const applied = await this.#numbered(() => this.host.rewrite({ ...this.#nextStep(), audit }, rewrite));
    if (!applied) throw new StopWork("lost");
    this.#noteWritten();
    this.messages.splice(0, this.messages.length, ...messages);
  }

  async #finish(
    state: FinalState,
    end: { content: ContentBlock[]; stopReason: string | null; error: RunError | null },
    closing: Closing = {},
  ): Promise<void> {
    const { run, host } = this;
    const messages = [
      ...(closing.message ? [closing.message] : []),
      ...(end.content.length ? [{ role: "assistant" as const, content: end.content }] : []),
    ];
    this.#response = state === "completed" ? textOf(end.content) : null;
    this.channel.isEnding = true;
    const detail = {
      success: state === "completed",
      iterations: this.iteration,
      tokens: run.tokens,
      ...(end.error ? { error: end.error.type } : {}),
    };
    const { parentAgent } = await this.store({
      to: state,
      messages,
      finished: closing.finished ?? [],
      response: this.#response,
      stopReason: end.stopReason,
      error: end.error,
      // What it costs in its batch all the same is counted when that is over.
      ...(state === "cancelled" ? { batchGroup: run.batchGroup, batchId: run.batchId } : {}),
      audit: [auditLine(host.config, run, `run.${state}`, detail)],
    });
    if (parentAgent) host.wake([parentAgent]);
    if (end.error) host.metrics.runFailed(end.error);
    const { iteration: iterations } = this;
    host.tracing?.runEnded(run, { ...end, state, tokens: run.tokens, iterations, claims: run.fence });
    const result: RunResult = {
      runId: run.id,
      state,
      response: this.#response,
      stopReason: end.stopReason,
      error: end.error,
      tokens: run.tokens,
      usd: this.#usd(),
    };
    this.channel.tell({ type: `run.${state}`, data: result });
  }

  async #stopped(error: unknown): Promise<ExecutionEnd> {
    const reason = this.signal.aborted ? this.signal.reason : error;
    if (error instanceof StopWork && error.why === "lost") return "lost";
    if (reason instanceof StopWork) {
      if (reason.why === "cancelled") return this.#endEarly("cancelled", null, "the run was cancelled");
      if (reason.why === "timeout")
        return this.#endEarly("failed", this.#timeoutError(), "the run took too long and was ended");
      return reason.why === "lost" ? "lost" : this.#handBack();
    }
    if (error instanceof ParkRun) return this.#park(error);
    if (error instanceof RunFailed) return this.#endEarly("failed", error.forClient, "the run failed");
    if (isTransient(error)) throw error;
    const { id: run } = this.run;
    if (error instanceof TranscriptUnreadable) {
      this.host.log.error({ run, err: error }, "what was written of a run could not be read; it fails");
      return this.#endEarly("failed", UNREADABLE, "the run failed");
    }
    this.host.log.error({ run, err: error as Error }, "a fault of ours ends a run");
    return this.#endEarly(
      "failed",
      { type: "internal_error", message: "something went wrong on our side" },
      "the run failed",
    );
  }

  async #park({ change }: ParkRun): Promise<ExecutionEnd> {
    try {
      await this.store(change);
    } catch (cause) {
      if (cause instanceof StopWork) return "lost";
      throw cause;
    }
    return "parked";
  }

  /** Whoever goes on asks anew: what an answer has cost that is not kept is written before. One of a batch is there to be fetched again. */
  async #handBack(): Promise<ExecutionEnd> {
    const { run, host } = this;
    const { usd, iteration, batchGroup } = this.#written;
    if (run.usd === usd || batchGroup !== null) return "released";
    this.#notes.length = 0; // of what is done anew
    try {
      await Promise.race([this.store({ iteration }), sleep(HANDBACK_MS, undefined, { ref: false })]);
    } catch (cause) {
      host.log.warn(
        { run: run.id, err: cause as Error },
        "what a run has cost was not written before it was handed back",
      );
    }
    return "released";
  }

  #timeoutError(): RunError {
    return {
      type: "timeout",
      message: `the run took longer than ${this.host.config.limits.runTimeoutSeconds} s (limits.runTimeoutSeconds)`,
    };
  }

  /** What was written of the calls of this run: without their texts, when those cannot be read. */
  async #writtenCalls(): Promise<(UnreadExecution & Partial<ToolExecution>)[]> {
    try {
      return await this.host.toolExecutions(this.run.id);
    } catch (error) {
      if (!(error instanceof TranscriptUnreadable)) throw error;
      return this.host.unreadExecutions(this.run.id);
    }
  }

  async #endEarly(state: "failed" | "cancelled", error: RunError | null, why: string): Promise<ExecutionEnd> {
    const last = this.messages.at(-1);
    const open = toolUsesOf(last).length > 0;
    if (open && !this.callsAreStored) this.messages.pop(); // nobody has seen them: they are left out
    const executions = open && this.callsAreStored ? await this.#writtenCalls() : [];
    const cut = executions.filter((it) => !isOver(it));
    const closing = open && this.callsAreStored ? closingResults(last, executions, why) : undefined;
    for (const it of cut) {
      if (it.state === "running" && !it.childRun)
        this.note("tool.called", { tool: it.name, toolUse: it.toolUseId, success: false, cut: why });
    }
    try {
      await this.#finish(
        state,
        { content: [], stopReason: null, error },
        { message: closing, finished: cut.map((it) => ({ toolUseId: it.toolUseId, output: why, isError: true })) },
      );
    } catch (cause) {
      if (cause instanceof StopWork) return "lost";
      throw cause;
    }
    for (const { name: tool, toolUseId, childRun } of cut) {
      if (childRun) this.host.tracing?.delegationEnded(this.run, { tool, toolUseId, childRun }, undefined);
    }
    if (cut.some((it) => it.childRun)) await this.host.cancelChildren(this.run.id);
    return state;
  }

  /** Whether the calls of the last message are in the database. */
  callsAreStored = true;
}
