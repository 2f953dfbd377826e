import { RunFailed } from "../engine/stop.ts";
import type { ModelAnswer } from "../model/accumulate.ts";
import type { CompactedWork, CompactorHost } from "./compacted-work.ts";
import type { Entry } from "./protect.ts";
import { summaryOf, summaryRequest } from "./summary.ts";

/** A summary that takes longer is done without. */
const SUMMARY_MS = 120_000;
/** Most text has more bytes a token than this; what has fewer is sent again, and less of it. */
const BYTES_PER_TOKEN = 3;
const BYTES_PER_TOKEN_AT_LEAST = 1.2;

type SummaryHost = Pick<CompactorHost, "aside" | "window" | "log"> & {
  config: { compaction: { summarizerModel: string } };
};
type SummarisedWork = Pick<CompactedWork, "run" | "signal" | "spent">;

/**
 * A summary of these messages; undefined when there is none to be had: refused, empty, cut off, over budget, or too late.
 * @throws the reason of the run's signal, and faults of the database
 */
export async function summaryFor(
  host: SummaryHost,
  work: SummarisedWork,
  entries: Entry[],
): Promise<string | undefined> {
  const { config, log } = host;
  const model = config.compaction.summarizerModel;
  const timeUp = AbortSignal.timeout(SUMMARY_MS);
  try {
    const signal = AbortSignal.any([work.signal, timeUp]);
    const spent: SummarisedWork["spent"] = (...it) => work.spent(...it);
    const answer = await askForSummary(host, { run: work.run, signal, spent }, entries);
    work.spent(model, answer.tokens);
    const summary = summaryOf(answer);
    if (summary === undefined)
      log.warn({ run: work.run.id, model, stopReason: answer.stopReason }, "a summary is not usable");
    return summary;
  } catch (error) {
    work.signal.throwIfAborted();
    if (!(error instanceof RunFailed) && !timeUp.aborted) throw error;
    log.warn({ run: work.run.id, model, err: error as Error }, "a summary could not be had");
    return undefined;
  }
}

async function askForSummary(
  { config, aside, window }: SummaryHost,
  asker: SummarisedWork,
  entries: Entry[],
): Promise<ModelAnswer> {
  const model = config.compaction.summarizerModel;
  const request = (bytesPerToken: number) => summaryRequest(model, entries, bytesPerToken, window(model));
  try {
    return await aside(request(BYTES_PER_TOKEN), asker);
  } catch (error) {
    if (!(error instanceof RunFailed && error.type === "context_full")) throw error;
    return aside(request(BYTES_PER_TOKEN_AT_LEAST), asker);
  }
}
