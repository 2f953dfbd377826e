import type { ContentBlock } from "../../database/runs/run.ts";
import type { ToolOutcome } from "../tools/tool.ts";

/** Where a hook is called. */
export interface HookContext {
  tenant: string;
  agent: string;
  userId: string;
  sessionId: string;
  /** Before a user's question: the run that it will be. */
  runId: string;
  /** What the caller gave with the question; null when nothing. */
  variables: Record<string, unknown> | null;
  /** Aborted at the hook's time limit, on cancel, and when the process ends. */
  signal: AbortSignal;
}

/** Short facts for the audit log: at most 16, keys up to 64 characters, values up to 256. */
export type Annotations = Record<string, string>;

/** What a hook says of something; nothing: let it pass. Annotations go to the audit line. */
export type Verdict<Change> =
  | undefined
  | { action: "allow"; annotations?: Annotations }
  | ({ action: "change"; annotations?: Annotations } & Change)
  | { action: "block"; reason: string; annotations?: Annotations };

type MaybeLater<T> = T | Promise<T>;

/** A user's question, or a task for another agent. */
export interface MessageToCheck {
  text: string;
  /** The agent that is asked, when this is a task for another one; null for a user's question. */
  delegatedTo: string | null;
}

/** A tool call, with an input that fits the tool's schema. */
export interface CallToCheck {
  tool: string;
  input: Record<string, unknown>;
}

/** A call that was made, and what the model is to read of it. */
export interface ResultToCheck extends CallToCheck {
  outcome: ToolOutcome;
}

/** What may look at, change or stop what is said and done. Hooks run in order; each sees what the one before it made. */
export interface Hook {
  name: string;
  /** What becomes of a message or call when the hook itself fails or takes too long. */
  onFailure: "Block" | "Allow";
  timeoutSeconds: number;
  /** The runtime's own, which write nothing into what they are given: they get no copy of it. */
  readsOnly?: true;
  /** A user's question, or a task for another agent, before it is stored. */
  beforeMessage?(message: MessageToCheck, context: HookContext): MaybeLater<Verdict<{ text: string }>>;
  /** The model's answer before it is stored. Text is not streamed until every hook has let it pass. */
  afterMessage?(
    answer: { content: ContentBlock[] },
    context: HookContext,
  ): MaybeLater<Verdict<{ content: ContentBlock[] }>>;
  /** A tool call before it is made; not of agents as tools: their task is a message. */
  beforeToolCall?(call: CallToCheck, context: HookContext): MaybeLater<Verdict<{ input: Record<string, unknown> }>>;
  /** What the model would read of a call that was made. */
  afterToolCall?(result: ResultToCheck, context: HookContext): MaybeLater<Verdict<{ outcome: ToolOutcome }>>;
}

/** What all hooks of a place said together. */
export type Ruling<T> =
  | { blocked: false; value: T; changed: boolean; annotations: Annotations | undefined }
  | { blocked: true; hook: string; reason: string; annotations: Annotations | undefined };

/** Where the hooks are called, as the caller knows it. `signal`: the run's, or the request's. */
export type HookPlace = Omit<HookContext, "tenant" | "agent">;

/**
 * The hooks of an agent. A place without hooks is undefined: nothing is called, copied or awaited there.
 * None of these throws, but for the reason of the place's signal.
 */
export interface Hooks {
  readonly beforeMessage?: (message: MessageToCheck, place: HookPlace) => Promise<Ruling<MessageToCheck>>;
  readonly afterMessage?: (content: ContentBlock[], place: HookPlace) => Promise<Ruling<ContentBlock[]>>;
  readonly beforeToolCall?: (call: CallToCheck, place: HookPlace) => Promise<Ruling<CallToCheck>>;
  readonly afterToolCall?: (result: ResultToCheck, place: HookPlace) => Promise<Ruling<ResultToCheck>>;
}

/** Of an agent without hooks. */
export const NO_HOOKS: Hooks = {};
