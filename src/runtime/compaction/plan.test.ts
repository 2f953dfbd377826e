import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ContentBlock } from "../../database/runs/run.ts";
import { type Compacted, planCompaction, pruneOnly, type Sizes, sizeOf, summarise } from "./plan.ts";
import type { Entry } from "./protect.ts";
import { estimateMessage } from "./size.ts";
import { summaryText } from "./summary.ts";

const sizes: Sizes = { fixed: 50, of: estimateMessage };
const SUMMARY = summaryText("what was said");

const text = (words: number): ContentBlock => ({ type: "text", text: "word ".repeat(words) + words });
const thinking = (i: number): ContentBlock => ({ type: "thinking", thinking: `thought ${i}`, signature: `sig-${i}` });

/** One model call of a run: it thinks or not, and calls so many tools, whose outputs have these lengths. */
interface Turn {
  thinks: boolean;
  words: number;
  outputs: number[];
}
interface Run {
  question: number;
  turns: Turn[];
  /** A run that failed leaves no answer. */
  answered: boolean;
}

/** The stored conversation of these runs; the last one is under way and waits for the model. */
function conversation(runs: Run[]): Entry[] {
  const entries: Entry[] = [];
  const add = (runId: string, role: Entry["role"], content: ContentBlock[]) =>
    entries.push({ seq: entries.length + 1, runId, role, content });
  for (const [r, { question, turns, answered }] of runs.entries()) {
    const last = r === runs.length - 1;
    add(`run-${r}`, "user", [text(question)]);
    for (const [t, { thinks, words, outputs }] of turns.entries()) {
      const ids = outputs.map((_, i) => `call-${r}-${t}-${i}`);
      const calls = ids.map((id) => ({ type: "tool_use", id, name: "look", input: { at: id } }));
      add(`run-${r}`, "assistant", [...(thinks ? [thinking(t)] : []), text(words), ...calls]);
      if (!ids.length) break;
      const results = ids.map((id, i) => ({
        type: "tool_result",
        tool_use_id: id,
        content: "o".repeat(outputs[i] ?? 0),
      }));
      add(`run-${r}`, "user", results);
    }
    if (entries.at(-1)?.role === "user" && answered && !last) add(`run-${r}`, "assistant", [text(3)]);
  }
  if (entries.at(-1)?.role === "assistant") add(`run-${runs.length}`, "user", [text(2)]);
  return entries;
}

const turn = fc.record({
  thinks: fc.boolean(),
  words: fc.integer({ min: 1, max: 60 }),
  outputs: fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 3 }),
});
const run = fc.record({
  question: fc.integer({ min: 1, max: 80 }),
  turns: fc.array(turn, { maxLength: 5 }),
  answered: fc.boolean(),
});
const runs = fc.array(run, { minLength: 1, maxLength: 6 });
const policies = fc.array(
  fc.record({
    targetTokens: fc.integer({ min: 100, max: 4000 }),
    preserveLast: fc.integer({ min: 0, max: 8 }),
    protectedTokens: fc.integer({ min: 0, max: 2000 }),
    /** Whether the summary can be had. */
    summary: fc.boolean(),
    /** Words that the conversation has grown by before. */
    grows: fc.integer({ min: 0, max: 200 }),
  }),
  { minLength: 1, maxLength: 5 },
);
type Policy = (typeof policies extends fc.Arbitrary<infer T> ? T : never) extends (infer P)[] ? P : never;

function compacted(entries: Entry[], policy: Policy): Compacted {
  const plan = planCompaction(entries, sizes, { ...policy, run: entries.at(-1)?.runId ?? "" });
  const pruned = pruneOnly(entries, plan);
  if (!plan.summarised.length || !policy.summary) return pruned;
  const with_ = summarise(entries, plan, SUMMARY);
  return sizeOf(with_.entries, sizes) < sizeOf(pruned.entries, sizes) ? with_ : pruned;
}

/** Written anew, without the planner: indexes that no compaction may touch. */
function untouchable(entries: Entry[], policy: Policy): Set<number> {
  const safe = new Set<number>([entries.length - 1]);
  for (let i = entries.length - policy.preserveLast; i < entries.length; i++) if (i >= 0) safe.add(i);
  let tokens = 0;
  for (let i = entries.length - 1; i >= 0; i--) {
    tokens += estimateMessage(entries[i] as Entry);
    if (tokens > policy.protectedTokens) break;
    safe.add(i);
  }
  const current = entries.at(-1)?.runId;
  safe.add(entries.findIndex((it) => it.runId === current));
  return safe;
}

/** What the Messages API would refuse, as in the simulated endpoint. */
function refusedByTheApi(entries: Entry[]): string | undefined {
  if (entries[0]?.role !== "user") return "the first message is not the user's";
  let open: string[] = [];
  for (const { role, content } of entries) {
    const answers = content.filter((it) => it.type === "tool_result").map((it) => String(it.tool_use_id));
    if (answers.some((id) => role !== "user" || !open.includes(id))) return "a result without its call";
    if (open.some((id) => !answers.includes(id))) return "a call without its result";
    open = content.filter((it) => it.type === "tool_use").map((it) => String(it.id));
    if (content.length === 0 || content.some((it) => it.type === "text" && !it.text)) return "an empty message";
  }
  return open.length ? "a call at the end" : undefined;
}

/** The two tables, and what the statement in compact-conversation.ts does with them. */
class Store {
  readonly live = new Map<number, Entry>();
  readonly archive = new Map<number, Entry>();
  constructor(entries: Entry[]) {
    for (const it of entries) this.live.set(it.seq, it);
  }
  apply({ changed, removed }: Compacted): void {
    for (const seq of [...removed, ...changed.map((it) => it.seq)]) {
      const original = this.live.get(seq);
      if (!original) throw new Error(`message ${seq} is not there`);
      if (!this.archive.has(seq)) this.archive.set(seq, original);
    }
    for (const seq of removed) this.live.delete(seq);
    for (const it of changed) this.live.set(it.seq, it);
  }
  get conversation(): Entry[] {
    return [...this.live.values()].sort((a, b) => a.seq - b.seq);
  }
  /** As its owner reads it. */
  get transcript(): Entry[] {
    return [...new Map([...this.live, ...this.archive]).values()].sort((a, b) => a.seq - b.seq);
  }
}

/** Compacts again and again while the conversation grows, and looks at every state. */
function sequence(
  first: Run[],
  steps: Policy[],
  look: (before: Entry[], after: Compacted, policy: Policy) => void,
): Store {
  const store = new Store(conversation(first));
  for (const policy of steps) {
    const before = store.conversation;
    const after = compacted(before, policy);
    look(before, after, policy);
    store.apply(after);
    expect(store.conversation).toEqual(after.entries);
    const last = store.conversation.at(-1) as Entry;
    const seq = last.seq + 1;
    if (policy.grows === 0) continue;
    store.live.set(seq, { seq, runId: last.runId, role: "assistant", content: [text(policy.grows)] });
    store.live.set(seq + 1, { seq: seq + 1, runId: `grown-${seq}`, role: "user", content: [text(policy.grows)] });
  }
  return store;
}

describe("any sequence of compactions of any conversation", () => {
  it("leaves what is protected as it is, to the letter", () =>
    fc.assert(
      fc.property(runs, policies, (first, steps) => {
        sequence(first, steps, (before, after, policy) => {
          for (const i of untouchable(before, policy))
            expect(after.entries.find((it) => it.seq === before[i]?.seq)).toBe(before[i]);
        });
      }),
    ));

  it("leaves a conversation that the API takes", () =>
    fc.assert(
      fc.property(runs, policies, (first, steps) => {
        sequence(first, steps, (before, after) => {
          expect(refusedByTheApi(before)).toBeUndefined();
          expect(refusedByTheApi(after.entries)).toBeUndefined();
        });
      }),
    ));

  it("never makes it longer, and keeps its order and its last number", () =>
    fc.assert(
      fc.property(runs, policies, (first, steps) => {
        sequence(first, steps, (before, after) => {
          expect(sizeOf(after.entries, sizes)).toBeLessThanOrEqual(sizeOf(before, sizes));
          const seqs = after.entries.map((it) => it.seq);
          expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
          expect(seqs.at(-1)).toBe(before.at(-1)?.seq);
        });
      }),
    ));

  it("loses nothing: the archive and what is left are the whole original", () =>
    fc.assert(
      fc.property(runs, policies, (first, steps) => {
        const original = conversation(first);
        const store = sequence(first, steps, () => {});
        expect(store.transcript.slice(0, original.length)).toEqual(original);
      }),
    ));

  it("keeps the question of the run under way before all else that it has said", () =>
    fc.assert(
      fc.property(runs, policies, (first, steps) => {
        sequence(first, steps, (before, after) => {
          const current = before.at(-1)?.runId;
          expect(after.entries.find((it) => it.runId === current)).toBe(before.find((it) => it.runId === current));
        });
      }),
    ));
});

describe("a plan", () => {
  const long = conversation(
    Array.from({ length: 6 }, () => ({
      question: 10,
      turns: [{ thinks: true, words: 5, outputs: [3000] }],
      answered: true,
    })),
  );
  const policy = { preserveLast: 2, protectedTokens: 0, run: "run-5" };

  it("takes out the oldest outputs first, and no more than it has to", () => {
    const plan = planCompaction(long, sizes, { ...policy, targetTokens: sizeOf(long, sizes) - 1200 });
    expect(plan.summarised).toEqual([]);
    expect(plan.pruned.map((it) => it.seq)).toEqual([3, 7]);
    expect(JSON.stringify(plan.pruned[0]?.content)).toContain("output removed: 3000 bytes");
  });

  it("summarises all that is not protected when that is not enough", () => {
    const plan = planCompaction(long, sizes, { ...policy, targetTokens: 100 });
    expect(plan.summarised.map((it) => it.seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    const { entries, removed } = summarise(long, plan, SUMMARY);
    expect(entries.map((it) => it.seq)).toEqual([20, 21, 22, 23]);
    expect(entries[0]).toMatchObject({ role: "user", runId: "run-4", content: [{ text: SUMMARY }] });
    expect(removed).toHaveLength(19);
  });

  it("of one long run keeps its question before the summary", () => {
    const turns = Array.from({ length: 8 }, () => ({ thinks: true, words: 5, outputs: [300, 300] }));
    const one = conversation([{ question: 10, turns, answered: false }]);
    const plan = planCompaction(one, sizes, { preserveLast: 3, protectedTokens: 0, run: "run-0", targetTokens: 100 });
    const { entries } = summarise(one, plan, SUMMARY);
    expect(entries.map((it) => it.role)).toEqual(["user", "user", "assistant", "user", "assistant", "user"]);
    expect(entries[0]).toBe(one[0]);
  });

  it("has nothing to do when everything is protected", () =>
    expect(planCompaction(long, sizes, { ...policy, preserveLast: 1000, targetTokens: 1 })).toEqual({
      pruned: [],
      summarised: [],
    }));
});
