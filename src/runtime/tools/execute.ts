import { setTimeout as sleep } from "node:timers/promises";
import type { Tool } from "./registry.ts";
import { type LocalTool, RetryTool, SnoozeTool, type ToolCall, ToolError, type ToolOutcome } from "./tool.ts";

export type ToolResultKind = "ok" | "error" | "timeout";

export interface Executed extends ToolOutcome {
  /** `snoozed`: there is no outcome yet. */
  kind: ToolResultKind | "snoozed";
  attempts: number;
  /** When the tool is to be called again, if it was snoozed: in so many seconds. */
  seconds?: number;
  cause?: unknown;
}

/** First pause before another attempt, in milliseconds; it doubles up to the longest. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
const LONGEST_SNOOZE_SECONDS = 86_400;

/** Failures that may pass: the tool says so, took too long, or fell over. What it wants the model to read is its answer. */
const mayPass = (result: Executed): boolean =>
  result.kind === "timeout" ||
  (result.kind === "error" &&
    result.cause !== undefined &&
    (result.cause instanceof RetryTool || !(result.cause instanceof ToolError)));

/**
 * Runs a tool, each attempt within its time. Never throws but for the signal's reason: what goes wrong is what the model gets to read.
 * A tool with attempts left is tried again when its failure may pass.
 */
export async function executeTool(
  tool: Tool & { body: LocalTool },
  call: Omit<ToolCall, "signal" | "timeoutMs">,
  signal: AbortSignal,
  firstPauseMs = FIRST_PAUSE_MS,
): Promise<Executed> {
  for (let attempt = 1; ; attempt++) {
    const result = await attemptTool(tool, call, signal);
    if (result.kind === "snoozed") return result;
    if (attempt >= tool.maxAttempts || !mayPass(result)) return { ...result, attempts: attempt };
    const pause = Math.min(LONGEST_PAUSE_MS, firstPauseMs * 2 ** (attempt - 1)) * (0.75 + Math.random() / 2);
    await sleep(pause, undefined, { signal }).catch(() => {});
    signal.throwIfAborted();
  }
}

async function attemptTool(
  tool: Tool & { body: LocalTool },
  call: Omit<ToolCall, "signal" | "timeoutMs">,
  signal: AbortSignal,
): Promise<Executed> {
  const attempt = new AbortController();
  const { promise: ended, reject: end } = Promise.withResolvers<never>();
  ended.catch(() => {});
  const cut = (reason: unknown) => {
    attempt.abort(reason);
    end(reason);
  };
  const stop = () => cut(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", stop, { once: true });
  const late = new Error("the tool's time is over");
  const timer = setTimeout(() => cut(late), tool.timeoutMs);
  try {
    const work = tool.body.execute({ ...call, signal: attempt.signal, timeoutMs: tool.timeoutMs });
    const outcome = await Promise.race([work, ended]); // one that ignores its signal is left to itself
    return { ...outcome, kind: outcome.isError ? "error" : "ok", attempts: 1 };
  } catch (cause) {
    signal.throwIfAborted();
    return failureOf(cause, attempt.signal.reason === late, tool.timeoutMs);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

function failureOf(cause: unknown, late: boolean, timeoutMs: number): Executed {
  const failed = { isError: true, attempts: 1, cause };
  if (late) return { ...failed, output: `the tool did not finish within ${timeoutMs / 1000} s`, kind: "timeout" };
  if (cause instanceof SnoozeTool) {
    const seconds = Math.min(LONGEST_SNOOZE_SECONDS, Math.max(0.1, cause.seconds));
    if (Number.isFinite(seconds)) return { kind: "snoozed", seconds, output: "", isError: false, attempts: 1 };
  }
  return { ...failed, output: cause instanceof ToolError ? cause.message : "the tool failed", kind: "error" };
}
