/** What the model is told of a call. */
export interface ToolOutcome {
  output: string;
  isError: boolean;
}

export interface ToolCall {
  input: Record<string, unknown>;
  /** The same when a call is repeated. */
  idempotencyKey: string;
  /** Aborted at the time limit, on cancel, and when the process ends. */
  signal: AbortSignal;
  timeoutMs: number;
}

/** A tool that this process runs. `execute` may throw: the model gets a short error then. */
export interface LocalTool {
  kind: "sql" | "http";
  execute(call: ToolCall): Promise<ToolOutcome>;
}

/** A tool that is another agent: its answer comes from a run in that agent's pods. */
export interface DelegateTool {
  kind: "agent";
  agent: string;
}

export type ToolBody = LocalTool | DelegateTool;

/** An error whose message may be shown to the model. */
export class ToolError extends Error {
  override name = "ToolError";
}

export const MAX_OUTPUT_BYTES = 64 * 1024;

/** The text, cut at a limit of bytes; says so when it is. */
export function capped(text: string, maxBytes = MAX_OUTPUT_BYTES): string {
  const bytes = Buffer.byteLength(text);
  if (bytes <= maxBytes) return text;
  const kept = Buffer.from(text)
    .subarray(0, maxBytes)
    .toString("utf8")
    .replace(/\uFFFD$/, "");
  return `${kept}\n[cut: ${maxBytes} of ${bytes} bytes]`;
}
