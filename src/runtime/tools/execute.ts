import type { Tool } from "./registry.ts";
import { type LocalTool, type ToolCall, ToolError, type ToolOutcome } from "./tool.ts";

export type ToolResultKind = "ok" | "error" | "timeout";

/** Runs a tool within its time. Never throws but for the signal's reason: what goes wrong is what the model gets to read. */
export async function executeTool(
  tool: Tool & { body: LocalTool },
  call: Omit<ToolCall, "signal" | "timeoutMs">,
  signal: AbortSignal,
): Promise<ToolOutcome & { kind: ToolResultKind; cause?: unknown }> {
  const timeout = AbortSignal.timeout(tool.timeoutMs);
  const either = AbortSignal.any([signal, timeout]);
  try {
    const work = tool.body.execute({ ...call, signal: either, timeoutMs: tool.timeoutMs });
    const outcome = await Promise.race([work, abortionOf(either)]);
    return { ...outcome, kind: outcome.isError ? "error" : "ok" };
  } catch (cause) {
    signal.throwIfAborted();
    if (timeout.aborted)
      return {
        output: `the tool did not finish within ${tool.timeoutMs / 1000} s`,
        isError: true,
        kind: "timeout",
        cause,
      };
    const output = cause instanceof ToolError ? cause.message : "the tool failed";
    return { output, isError: true, kind: "error", cause };
  }
}

function abortionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
