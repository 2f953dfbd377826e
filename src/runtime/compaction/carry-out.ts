import { auditLine } from "../engine/audit.ts";
import type { CompactionResult } from "../engine/events.ts";
import type { CompactedWork, CompactorHost } from "./compacted-work.ts";
import { type Compacted, type CompactionPlan, pruneOnly, type Sizes, sizeOf, summarise } from "./plan.ts";
import type { Entry } from "./protect.ts";
import { summaryFor } from "./summarizer.ts";
import { summaryText } from "./summary.ts";

/** A conversation that is too long, and what is to be done. */
export interface Case {
  entries: Entry[];
  sizes: Sizes;
  tokens: number;
  plan: CompactionPlan;
}

/** Carries a plan out, as far as a summary can be had, and tells the run's listeners. */
export async function carryOut(host: CompactorHost, work: CompactedWork, it: Case): Promise<CompactionResult> {
  work.channel.tell({ type: "compaction.started", data: { tokens: it.tokens } });
  const pruned = pruneOnly(it.entries, it.plan);
  const wanted = it.plan.summarised.length > 0;
  const summarised = wanted ? await withSummary(host, work, it, pruned) : undefined;
  const done = summarised ?? pruned;
  const outcome = summarised ? "summarised" : done.changed.length ? "pruned" : "unchanged";
  const tokensAfter = outcome === "unchanged" ? it.tokens : Math.round(sizeOf(done.entries, it.sizes));
  const result = { outcome, tokensBefore: it.tokens, tokensAfter } as const;
  if (done.changed.length) await write(host, work, done, result);
  host.metrics.compactions.inc({ outcome: wanted && !summarised ? "summary_failed" : outcome });
  host.log.info({ run: work.run.id, ...result, summaryWanted: wanted }, "a conversation was too long");
  work.channel.tell({ type: "compaction.finished", data: result });
  return result;
}

/** Undefined when there is no summary, or it gains nothing over pruning. */
async function withSummary(
  host: CompactorHost,
  work: CompactedWork,
  { entries, plan, sizes }: Case,
  pruned: Compacted,
): Promise<Compacted | undefined> {
  const summary = await summaryFor(host, work, plan.summarised);
  if (summary === undefined) return undefined;
  const compacted = summarise(entries, plan, summaryText(summary));
  return sizeOf(compacted.entries, sizes) < sizeOf(pruned.entries, sizes) ? compacted : undefined;
}

/** @param result what the audit log is to say of it @throws StopWork `lost` */
export async function write(
  { config }: CompactorHost,
  work: CompactedWork,
  { entries, changed, removed }: Compacted,
  result: object,
): Promise<void> {
  const detail = { ...result, changed: changed.length, removed: removed.length };
  const messages = entries.map(({ role, content }) => ({ role, content }));
  await work.rewrite({ changed, removed }, messages, [auditLine(config, work.run, "context.compacted", detail)]);
}
