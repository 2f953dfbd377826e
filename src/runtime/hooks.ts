import type { ContentBlock } from "../database/runs/run.ts";
import type { ToolOutcome } from "./tools/tool.ts";

/** Where a hook is called. */
export interface HookContext {
  tenant: string;
  agent: string;
  userId: string;
  sessionId: string;
  runId: string;
  variables: Record<string, unknown> | null;
  signal: AbortSignal;
}

/** What a hook says of something; nothing: let it pass. Annotations go to the audit line. */
export type Verdict<Change> =
  | undefined
  | { action: "allow"; annotations?: Record<string, string> }
  | ({ action: "change"; annotations?: Record<string, string> } & Change)
  | { action: "block"; reason: string; annotations?: Record<string, string> };

type MaybeLater<T> = T | Promise<T>;

/** What may look at, change or stop what is said and done. Hooks run in order; each sees what the one before it made. */
export interface Hook {
  name: string;
  /** What becomes of a message or call when the hook itself fails or takes too long. */
  onFailure: "Block" | "Allow";
  timeoutSeconds: number;
  /** A user's question, or a task for another agent, before it is stored. */
  beforeMessage?(message: { text: string }, context: HookContext): MaybeLater<Verdict<{ text: string }>>;
  /** The model's answer before it is stored. */
  afterMessage?(
    answer: { content: ContentBlock[] },
    context: HookContext,
  ): MaybeLater<Verdict<{ content: ContentBlock[] }>>;
  beforeToolCall?(
    call: { tool: string; input: Record<string, unknown> },
    context: HookContext,
  ): MaybeLater<Verdict<{ input: Record<string, unknown> }>>;
  afterToolCall?(
    result: { tool: string; input: Record<string, unknown>; outcome: ToolOutcome },
    context: HookContext,
  ): MaybeLater<Verdict<{ outcome: ToolOutcome }>>;
}
