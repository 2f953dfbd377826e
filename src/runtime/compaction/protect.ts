import type { ContentBlock, Message } from "../../database/runs/run.ts";

/** A message of the conversation where it is stored. */
export interface Entry extends Message {
  seq: number;
  runId: string;
}

export interface Protection {
  /** So many of the last messages stay as they are. */
  preserveLast: number;
  /** So do the last messages that have so many tokens together. */
  protectedTokens: number;
  /** The run under way: its question stays as it is. */
  run: string;
}

export const isResult = (block: ContentBlock): boolean => block.type === "tool_result";

/** Whether the conversation may be cut before message `i`: no call is parted from its result, no answer from its other half. */
function canCutBefore(entries: readonly Entry[], i: number): boolean {
  const [before, entry] = [entries[i - 1], entries[i]];
  if (!before || !entry) return true;
  if (entry.role === "user") return !entry.content.some(isResult);
  return before.role === "user";
}

/** The first of the last messages, all of which stay as they are. The very last one always does: it is what the model is to answer. */
export function protectedFrom(
  entries: readonly Entry[],
  sizeOf: (entry: Entry) => number,
  { preserveLast, protectedTokens }: Protection,
): number {
  let from = entries.length;
  for (let tokens = 0; from > 0; from--) {
    tokens += sizeOf(entries[from - 1] as Entry);
    if (tokens > protectedTokens) break;
  }
  from = Math.min(from, entries.length - Math.max(1, preserveLast));
  while (from > 0 && !canCutBefore(entries, from)) from--;
  return Math.max(0, from);
}

/** The question of a run: the first that it has said. -1: it is not there. */
export const questionOf = (entries: readonly Entry[], run: string): number =>
  entries.findIndex((it) => it.runId === run && it.role === "user" && !it.content.some(isResult));
