// What a tool module imports as "agentpg-operator/tools". Whoever writes modules relies on it: docs/tools.md.
import type { z } from "zod";
import type { Hook } from "../hooks/hook.ts";

export type {
  Annotations,
  CallToCheck,
  HookContext,
  MessageToCheck,
  ResultToCheck,
  Verdict,
} from "../hooks/hook.ts";
export { RetryTool, SnoozeTool, ToolError } from "../tools/tool.ts";

/** Writes to the agent's log, as JSON, with the tool and the run. Nothing secret: it is scrubbed, but not read by anyone first. */
export interface ToolLog {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** What a tool is told of the call beside its input. */
export interface ToolContext<Variables = Record<string, unknown>> {
  /** What the caller gave with the question, as the tool's `variables` reads it. The model never sees it. */
  variables: Variables;
  /** The same when this call is made again: give it to whatever must not happen twice. */
  idempotencyKey: string;
  /** Aborted at the tool's time limit, when the run is cancelled, and when the process ends: hand it to everything that waits. */
  signal: AbortSignal;
  sessionId: string;
  runId: string;
  userId: string;
  tenant: string;
  agent: string;
  log: ToolLog;
}

/** A tool of a module. */
export interface ModuleTool<Input extends z.ZodObject = z.ZodObject, Variables extends z.ZodObject = z.ZodObject> {
  /** What the model calls the tool by: letters, digits, _ and -. */
  name: string;
  /** What the tool does and when to use it, for the model. */
  description: string;
  /** The model gets it as JSON Schema; `execute` gets what it makes of the input, with defaults and transforms. */
  input: Input;
  /** What the tool needs of the run's variables; a run whose variables do not fit fails the call. */
  variables?: Variables;
  /** true: a call that was cut short may be made again. Left out: it is not, and the model is told. */
  idempotent?: boolean;
  /** The agent's limits.toolTimeoutSeconds unless told. */
  timeoutSeconds?: number;
  /** How often a call that fails is made, with growing pauses; more than 1 only when idempotent. A ToolError is an answer: it is not repeated. */
  maxAttempts?: number;
  /** true: each call waits for a person, as the Agent's spec.approvals says. */
  needsApproval?: boolean;
  /**
   * Does the work. What it returns is for the model: a text, or a value that is written as JSON; both are cut at 64 KiB.
   * @throws ToolError for the model to read · RetryTool to be called again if attempts are left · SnoozeTool to be called again later.
   * Any other error is like RetryTool, but the model reads only "the tool failed"; the log has the rest.
   */
  execute(input: z.output<Input>, context: ToolContext<z.output<Variables>>): unknown;
}

/** Gives `execute` the types of the tool's schemas. */
export function defineTool<Input extends z.ZodObject, Variables extends z.ZodObject = z.ZodObject>(
  tool: ModuleTool<Input, Variables>,
): ModuleTool<Input, Variables> {
  return tool;
}

/** A hook of a module. `onFailure` is Block and `timeoutSeconds` 5 when left out. */
export type ModuleHook = Omit<Hook, "onFailure" | "timeoutSeconds" | "readsOnly"> &
  Partial<Pick<Hook, "onFailure" | "timeoutSeconds">>;

/** Gives the hook's functions their types. */
export function defineHook(hook: ModuleHook): ModuleHook {
  return hook;
}
