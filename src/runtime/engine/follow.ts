import { once } from "node:events";
import type { ContentBlock, StoredMessage } from "../../database/runs/run.ts";
import { isFinal } from "../../database/runs/run.ts";
import type { RunView } from "../../database/runs/read-run.ts";
import { isBefore, isFinalEvent, type PlacedEvent, type Position, type RunChannel, type RunEvent, type RunResult } from "./events.ts";

/** What following a run needs: the live channel when this process works on it, and the database otherwise. */
export interface FollowSource {
  channel(runId: string): RunChannel | undefined;
  run(runId: string): Promise<RunView | undefined>;
  messages(sessionId: string, after: number): Promise<StoredMessage[]>;
  /** The agent behind a tool, when it is one. */
  delegate(tool: string): string | undefined;
  /** Waits a moment, or until this process starts on the run. */
  pause(runId: string, signal: AbortSignal): Promise<void>;
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
    return [agent ? { type: "delegation.started", data: { toolUseId, agent } } : { type: "tool.started", data: { toolUseId, name } }];
  }
  if (block.type !== "tool_result") return [];
  const toolUseId = text(block.tool_use_id);
  const name = names.get(toolUseId) ?? "";
  const isError = block.is_error === true;
  const agent = source.delegate(name);
  return [agent ? { type: "delegation.finished", data: { toolUseId, agent, isError } } : { type: "tool.finished", data: { toolUseId, name, isError } }];
}

/** What a stored message tells; the question itself tells nothing. Only the last event carries the message's own position. */
function eventsOf(message: StoredMessage, source: FollowSource, names: Map<string, string>): PlacedEvent[] {
  const blocks = message.role === "user" ? message.content.filter((it) => it.type !== "text") : message.content;
  const events = blocks.flatMap((block) => eventOfBlock(block, source, names));
  return events.map((event, i) => ({ ...event, at: i === events.length - 1 ? { seq: message.seq, part: 0 } : { seq: message.seq - 1, part: 1 } }));
}

/** Events of a channel as a sequence; ends when the process lets go of the run. */
async function* heard(channel: RunChannel, signal: AbortSignal): AsyncGenerator<PlacedEvent> {
  const queue: (PlacedEvent | undefined)[] = [];
  let wake = () => {};
  const silence = channel.listen((event) => {
    queue.push(event);
    wake();
  });
  const stop = () => wake();
  signal.addEventListener("abort", stop);
  try {
    while (!signal.aborted) {
      while (queue.length) {
        const event = queue.shift();
        if (!event) return;
        yield event;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (queue.length || signal.aborted) resolve();
      });
    }
  } finally {
    signal.removeEventListener("abort", stop);
    silence();
  }
}

/**
 * The events of a run from a position on, to its end: live while this process works on it, from the database while another does
 * or nobody (a run that waits for another agent is worked on by none). A change of source in the middle of a message is told as
 * `restarted`, followed by the whole message.
 */
export async function* followRun(
  source: FollowSource,
  runId: string,
  sessionId: string,
  from: Position,
  signal: AbortSignal,
): AsyncGenerator<PlacedEvent> {
  let at = from;
  const names = new Map<string, string>();
  async function* stored(): AsyncGenerator<PlacedEvent> {
    for (const message of await source.messages(sessionId, at.seq)) {
      if (message.runId !== runId) continue;
      const events = eventsOf(message, source, names);
      if (at.part > 0 && events.length) yield { type: "restarted", data: { reason: "another process went on" }, at: { seq: at.seq, part: 0 } };
      at = { seq: message.seq, part: 0 };
      yield* events;
    }
  }
  while (!signal.aborted) {
    const channel = source.channel(runId);
    if (channel) {
      const live = heard(channel, signal); // listens only from its first next(): the database is read before
      if (at.seq < channel.committed) yield* stored();
      if (at.part > 0 && at.seq !== channel.committed) at = { seq: at.seq, part: 0 };
      for await (const event of live) {
        if (event.at.part > 0 && !isBefore(at, event.at)) continue;
        if (event.at.seq > at.seq + 1 && event.at.part === 0 && !isFinalEvent(event)) yield* stored();
        at = event.at;
        yield event;
        if (isFinalEvent(event)) return;
      }
    }
    if (signal.aborted) return;
    const run = await source.run(runId);
    if (!run) return;
    yield* stored();
    if (isFinal(run.state)) return yield { type: `run.${run.state}`, data: resultOf(run), at };
    await source.pause(runId, signal);
  }
}

/** Resolves when the signal is aborted. */
export const aborted = (signal: AbortSignal): Promise<unknown> => (signal.aborted ? Promise.resolve() : once(signal, "abort"));
