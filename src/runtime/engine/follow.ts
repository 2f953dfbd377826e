import type { ContentBlock, StoredMessage } from "../../database/runs/run.ts";
import { isTransient } from "../../database/runs/database.ts";
import { isFinal } from "../../database/runs/run.ts";
import type { RunView } from "../../database/runs/read-run.ts";
import { ApprovalNews, type ApprovalSource } from "./approval-news.ts";
import {
  type BlockEvent,
  blocksTold,
  isFinalEvent,
  placedBlocks,
  type PlacedEvent,
  type Position,
  type RunChannel,
  type RunEvent,
  type RunResult,
} from "./events.ts";

/** What following a run needs: the live channel when this process works on it, and the database otherwise. */
export interface FollowSource extends ApprovalSource {
  channel(runId: string): RunChannel | undefined;
  run(runId: string): Promise<RunView | undefined>;
  messages(sessionId: string, runId: string, after: number): Promise<StoredMessage[]>;
  /** The agent behind a tool, when it is one. */
  delegate(tool: string): string | undefined;
  /** Waits a moment, or until this process starts on the run. @param idle how often nothing was new when it was looked at */
  pause(runId: string, signal: AbortSignal, idle: number): Promise<void>;
}

export const resultOf = (run: RunView): RunResult => ({
  runId: run.id,
  state: run.state as RunResult["state"],
  response: run.response,
  stopReason: run.stopReason,
  error: run.error,
  tokens: run.tokens,
  usd: Number(run.usd),
});

const text = (value: unknown): string => (typeof value === "string" ? value : "");

function eventOfBlock(block: ContentBlock, source: FollowSource, names: Map<string, string>): RunEvent[] {
  if (block.type === "text") return [{ type: "text.delta", data: { text: text(block.text) } }];
  if (block.type === "tool_use") {
    const [toolUseId, name] = [text(block.id), text(block.name)];
    names.set(toolUseId, name);
    const agent = source.delegate(name);
    return [
      agent
        ? { type: "delegation.started", data: { toolUseId, agent } }
        : { type: "tool.started", data: { toolUseId, name } },
    ];
  }
  if (block.type !== "tool_result") return [];
  const toolUseId = text(block.tool_use_id);
  const name = names.get(toolUseId) ?? "";
  const isError = block.is_error === true;
  const agent = source.delegate(name);
  return [
    agent
      ? { type: "delegation.finished", data: { toolUseId, agent, isError } }
      : { type: "tool.finished", data: { toolUseId, name, isError } },
  ];
}

/** What a stored message tells, without its first so many blocks; the question itself tells nothing. */
function eventsOf(message: StoredMessage, told: number, source: FollowSource, names: Map<string, string>) {
  const { seq, role, content } = message;
  const events = content.flatMap((it, block): BlockEvent[] => {
    if (role === "user" && it.type === "text") return [];
    return eventOfBlock(it, source, names).map((event) => ({ event, block }));
  });
  return placedBlocks(
    seq,
    events.filter(({ block }) => block >= told),
  );
}

/** So many events are kept for a listener that is slow; beyond that it reads what it has missed from the database. */
const MOST_WAITING = 1000;

/** Events of a channel as a sequence, heard from now on; ends when the process lets go of the run, or too many wait. */
function hear(channel: RunChannel, signal: AbortSignal): AsyncIterable<PlacedEvent> & { close(): void } {
  const queue: (PlacedEvent | undefined)[] = [];
  let wake = () => {};
  let silence = () => {};
  let full = false;
  let most = Number.POSITIVE_INFINITY;
  const take = (event: PlacedEvent | undefined) => {
    if (full) return;
    full = queue.length >= most;
    if (full) queue.length = 0;
    queue.push(full ? undefined : event);
    if (full) silence();
    wake();
  };
  silence = channel.listen(take);
  most = queue.length + MOST_WAITING; // what was said of the message under way is kept anyhow
  const stop = () => wake();
  signal.addEventListener("abort", stop);
  return {
    close() {
      signal.removeEventListener("abort", stop);
      silence();
    },
    async *[Symbol.asyncIterator]() {
      while (!signal.aborted) {
        if (queue.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        const event = queue.shift();
        if (!event) return;
        yield event;
      }
    },
  };
}

/** Where a listener starts, and whether it knows already that the run has begun. */
export interface Start {
  at: Position;
  begun: boolean;
}

/** Follows one run; see {@link followRun}. */
class Follower {
  readonly #source: FollowSource;
  readonly #runId: string;
  readonly #sessionId: string;
  readonly #signal: AbortSignal;
  readonly #names = new Map<string, string>();
  #at: Position;
  #begun: boolean;
  #idle = 0;
  #state = "";
  readonly #approvals: ApprovalNews;
  /** The batch that was told of. */
  #submittedAt: string | null = null;

  constructor(source: FollowSource, runId: string, sessionId: string, from: Start, signal: AbortSignal) {
    this.#source = source;
    this.#runId = runId;
    this.#sessionId = sessionId;
    this.#approvals = new ApprovalNews(source, runId);
    this.#at = from.at;
    this.#begun = from.begun;
    this.#signal = signal;
  }

  /** Half a message was told by a source that is no more: it is told again from its start. */
  *#startMessageAgain(): Generator<PlacedEvent> {
    if (this.#at.part === 0 || blocksTold(this.#at) !== undefined) return;
    this.#at = { seq: this.#at.seq, part: 0 };
    yield { type: "restarted", data: { reason: "the answer is told again from its start" }, at: this.#at };
  }

  *#begin(): Generator<PlacedEvent> {
    if (!this.#begun)
      yield { type: "run.started", data: { runId: this.#runId, sessionId: this.#sessionId }, at: this.#at };
    this.#begun = true;
  }

  async *#placed(events: AsyncIterable<RunEvent>): AsyncGenerator<PlacedEvent> {
    for await (const event of events) yield { ...event, at: this.#at };
  }

  *#submitted({ batchSubmittedAt: submittedAt }: RunView): Generator<PlacedEvent> {
    if (!submittedAt || submittedAt === this.#submittedAt) return;
    this.#submittedAt = submittedAt;
    yield { type: "batch.submitted", data: { submittedAt }, at: this.#at };
  }

  /** A result names its call by id only: where the call was told live, or before the listener came, its name is looked up. */
  async #learnNames(messages: readonly StoredMessage[]): Promise<void> {
    const blocks = (of: readonly StoredMessage[]) => of.flatMap(({ content }) => content);
    const called = new Set(blocks(messages).map((it) => (it.type === "tool_use" ? text(it.id) : "")));
    const unknown = blocks(messages)
      .filter((it) => it.type === "tool_result")
      .map((it) => text(it.tool_use_id))
      .filter((id) => !called.has(id) && !this.#names.has(id));
    if (unknown.length === 0) return;
    for (const block of blocks(await this.#source.messages(this.#sessionId, this.#runId, 0))) {
      if (block.type === "tool_use") this.#names.set(text(block.id), text(block.name));
    }
  }

  async *#stored(): AsyncGenerator<PlacedEvent> {
    const messages = await this.#source.messages(this.#sessionId, this.#runId, this.#at.seq);
    await this.#learnNames(messages);
    for (const message of messages) {
      const told = message.seq === this.#at.seq + 1 ? blocksTold(this.#at) : undefined;
      const events = eventsOf(message, told ?? 0, this.#source, this.#names);
      const finished = events.flatMap((it) => (it.type === "tool.finished" ? [it.data] : []));
      yield* this.#placed(this.#approvals.finished(finished));
      this.#at = { seq: message.seq, part: 0 };
      yield* events;
    }
  }

  async *#live(channel: RunChannel): AsyncGenerator<PlacedEvent, boolean> {
    const ear = hear(channel, this.#signal); // before the database is read, so that nothing falls between
    try {
      yield* this.#begin();
      const behind = this.#at.seq < channel.committed;
      if (behind) yield* this.#stored();
      const told = behind ? this.#at.seq : -1;
      for await (const event of ear) {
        const known = event.at.part > 0 ? event.at.seq < this.#at.seq : event.at.seq <= told && !isFinalEvent(event);
        if (known) continue;
        if (event.type === "tool.finished") yield* this.#placed(this.#approvals.finished([event.data]));
        this.#at = event.at;
        yield event;
        if (isFinalEvent(event)) return true;
      }
      return false;
    } finally {
      ear.close();
    }
  }

  /** @returns whether there is nothing more to tell */
  async *#look(): AsyncGenerator<PlacedEvent, boolean> {
    yield* this.#startMessageAgain();
    yield* this.#placed(this.#approvals.decided());
    const channel = this.#source.channel(this.#runId);
    if (channel && (yield* this.#live(channel))) return true;
    if (this.#signal.aborted) return true;
    const run = await this.#source.run(this.#runId);
    if (!run) return true; // erased
    if (run.startedAt) yield* this.#begin();
    yield* this.#startMessageAgain();
    yield* this.#stored();
    if (isFinal(run.state)) {
      yield { type: `run.${run.state}`, data: resultOf(run), at: this.#at };
      return true;
    }
    yield* this.#submitted(run);
    if (run.state === "awaiting_approval") yield* this.#placed(this.#approvals.requested());
    this.#state = run.state;
    return false;
  }

  async *events(): AsyncGenerator<PlacedEvent> {
    let seen = "";
    while (!this.#signal.aborted) {
      try {
        if (yield* this.#look()) return;
      } catch (error) {
        if (!isTransient(error)) throw error; // else the run goes on, and so does who listens to it
      }
      const now = `${this.#at.seq} ${this.#state}`;
      this.#idle = now === seen ? this.#idle + 1 : 0;
      seen = now;
      await this.#source.pause(this.#runId, this.#signal, this.#idle);
    }
  }
}

/**
 * The events of a run, after a position or from its start, to its end: live while this process works on it, from the database while another does
 * or nobody (a run that waits for another agent is worked on by none). A change of source in the middle of a message is told as
 * `restarted`, followed by the whole message.
 */
export const followRun = (source: FollowSource, runId: string, sessionId: string, from: Start, signal: AbortSignal) =>
  new Follower(source, runId, sessionId, from, signal).events();
