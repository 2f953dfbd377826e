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
  runId: string;
  sessionId: string;
  userId: string;
  /** What the caller gave with the question; null when nothing. */
  variables: Record<string, unknown> | null;
}

/** A tool that this process runs. `execute` may throw: the model gets a short error then. */
export interface LocalTool {
  kind: "sql" | "http" | "module" | "files" | "commands" | "mcp";
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

/** The call is to be made again later; it takes no attempt. @param seconds until then */
export class SnoozeTool extends Error {
  override name = "SnoozeTool";
  readonly seconds: number;
  constructor(seconds: number, message = "the tool asks to be called again later") {
    super(message);
    this.seconds = seconds;
  }
}

/** The call failed and may be tried again, if the tool has attempts left. The message is for the model when there are none. */
export class RetryTool extends ToolError {
  override name = "RetryTool";
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
