import { type Entry, type Protection, protectedFrom, questionOf } from "./protect.ts";
import { withoutOutputs } from "./prune.ts";

export interface CompactionPolicy extends Protection {
  /** Where to get to, in tokens. */
  targetTokens: number;
}

/** How many tokens the parts of a request are. */
export interface Sizes {
  /** System prompt and tools. */
  fixed: number;
  of(entry: Pick<Entry, "content">): number;
}

/** What to do to a conversation. Nothing of its protected part is in it. */
export interface CompactionPlan {
  /** Messages as they become when their tool outputs are taken out. */
  pruned: Entry[];
  /** What one summary takes the place of, unless pruning is enough; empty: no summary. */
  summarised: Entry[];
}

/** A conversation after it was compacted, and how it comes about from the stored one. */
export interface Compacted {
  entries: Entry[];
  /** Stored messages that have another content now. */
  changed: Entry[];
  /** Numbers of stored messages that are in the conversation no more. */
  removed: number[];
}

/** Prunes from the oldest on until the target is reached; if it is not, all before the protected messages is to be summarised. */
export function planCompaction(entries: readonly Entry[], sizes: Sizes, policy: CompactionPolicy): CompactionPlan {
  const tail = protectedFrom(entries, (it) => sizes.of(it), policy);
  const question = questionOf(entries, policy.run);
  const open = entries.slice(0, tail).filter((_, i) => i !== question);
  let tokens = entries.reduce((sum, it) => sum + sizes.of(it), sizes.fixed);
  const pruned: Entry[] = [];
  for (const entry of open) {
    if (tokens <= policy.targetTokens) break;
    const shorter = withoutOutputs(entry);
    if (!shorter) continue;
    tokens -= sizes.of(entry) - sizes.of(shorter);
    pruned.push(shorter);
  }
  const summarise = tokens > policy.targetTokens && open.length > 1; // one alone may be a summary already
  return { pruned, summarised: summarise ? open : [] };
}

/** The conversation with the outputs taken out. */
export function pruneOnly(entries: readonly Entry[], { pruned }: CompactionPlan): Compacted {
  const bySeq = new Map(pruned.map((it) => [it.seq, it]));
  return { entries: entries.map((it) => bySeq.get(it.seq) ?? it), changed: pruned, removed: [] };
}

/** The conversation with the summary in the place of the last message that it stands for. */
export function summarise(entries: readonly Entry[], { summarised }: CompactionPlan, text: string): Compacted {
  const last = summarised.at(-1);
  if (!last) return { entries: [...entries], changed: [], removed: [] };
  const summary: Entry = { seq: last.seq, runId: last.runId, role: "user", content: [{ type: "text", text }] };
  const gone = new Set(summarised.map((it) => it.seq));
  return {
    entries: entries.flatMap((it) => (it.seq === last.seq ? [summary] : gone.has(it.seq) ? [] : [it])),
    changed: [summary],
    removed: [...gone].filter((seq) => seq !== last.seq),
  };
}

export const sizeOf = (entries: readonly Entry[], sizes: Sizes): number =>
  entries.reduce((sum, it) => sum + sizes.of(it), sizes.fixed);
