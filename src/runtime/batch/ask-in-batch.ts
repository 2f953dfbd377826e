import { APIError } from "@anthropic-ai/sdk";
import { batchSubmissions } from "../../database/runs/batches.ts";
import type { Message } from "../../database/runs/run.ts";
import type { Execution } from "../engine/execution.ts";
import { ParkRun, RunFailed } from "../engine/stop.ts";
import { type ModelAnswer, textOf } from "../model/accumulate.ts";
import { classifyModelError } from "../model/failure.ts";
import type { ModelRequest } from "../model/client.ts";
import type { BatchResult } from "../model/batch-api.ts";
import { customId } from "./custom-id.ts";
import type { BatchHost } from "./host.ts";
import { failureOf, refusalOf } from "./refusal.ts";
import type { BatchResults } from "./results.ts";

export interface BatchAskHost extends BatchHost {
  results: BatchResults;
  /** @throws RunFailed when a budget has no room for the call */
  checkBudgets(request: ModelRequest, execution: Execution): Promise<void>;
  /** The answer has cost something. */
  count(answer: ModelAnswer): void;
}

/**
 * The model turn in Batch mode: a run without a batch waits for one; a run whose batch is over goes on with its answer.
 * @throws ParkRun, or RunFailed when there is no answer and will not be one
 */
export async function askInBatch(host: BatchAskHost, messages: Message[], execution: Execution): Promise<ModelAnswer> {
  const { run, channel } = execution;
  const { batchGroup, batchId } = run;
  if (batchGroup === null) {
    await host.checkBudgets(host.request(messages), execution);
    throw new ParkRun({ to: "awaiting_batch" });
  }
  if (batchId === null) throw new ParkRun({ to: "awaiting_batch", batchGroup });
  const answer = await answerOf(host, execution, batchGroup, batchId);
  run.batchGroup = null;
  run.batchId = null;
  host.count(answer);
  const { hooks, protection } = execution.host;
  const text = protection ? protection.spoken(answer.content) : textOf(answer.content);
  const held = hooks.afterMessage !== undefined; // nobody reads what a hook may still take back
  if (text && !held) channel.part({ type: "text.delta", data: { text } });
  return answer;
}

async function answerOf(host: BatchAskHost, { run }: Execution, group: string, batchId: string): Promise<ModelAnswer> {
  const { model } = host.config;
  const refused = refusalOf(batchId, model);
  if (refused) throw refused;
  const result = await resultOf(host, group, batchId, customId(run.id, group));
  if (result?.kind === "succeeded") return result.answer;
  const failed = result?.kind === "errored" ? failureOf(result.error, model) : undefined;
  if (!failed) return again(host, run, result);
  run.batchGroup = null; // the answer is this failure: what comes next is a new request
  run.batchId = null;
  throw failed;
}

/** @returns undefined when it is not there, or the API does not know the batch any more */
async function resultOf(host: BatchAskHost, batchGroup: string, batchId: string, id: string) {
  try {
    return await host.results.of(batchId, id);
  } catch (error) {
    if (error instanceof APIError && error.status === 404) return undefined;
    const failure = classifyModelError(error, host.config.model);
    host.metrics.modelFailed(failure);
    host.health.failed(failure);
    host.log.warn({ batch: batchId, err: error as Error }, "the results of a batch could not be fetched");
    // Not even a refused key ends the run: its answer is there, and paid for.
    throw new ParkRun({ to: "awaiting_batch", batchGroup, batchId, wakeSeconds: host.settings.fetchAgainMs / 1000 });
  }
}

/** The request came to nothing, for no fault of its own: it goes into another batch, within limits. */
async function again(
  { db, settings }: BatchAskHost,
  run: Execution["run"],
  result: BatchResult | undefined,
): Promise<never> {
  const inVain = (await batchSubmissions(db, run.id)) - run.iteration;
  const why = result?.kind ?? "missing";
  if (inVain > settings.again) {
    const message = `the request came to nothing in ${inVain} batches (the last time: ${why}): try again later`;
    throw new RunFailed("batch_failed", message);
  }
  const wait = result?.kind === "errored" || !result ? (settings.againMs * 2 ** (inVain - 1)) / 1000 : null;
  throw new ParkRun({ to: "awaiting_batch", wakeSeconds: wait });
}
