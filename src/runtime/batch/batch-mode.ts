import type { AgentDatabase } from "../../database/runs/database.ts";
import type { ClaimedRun, Message } from "../../database/runs/run.ts";
import type { Logger } from "../../telemetry/log.ts";
import { type AskHost, requestOf } from "../engine/ask.ts";
import { countAnswer } from "../engine/call-budget.ts";
import type { Execution } from "../engine/execution.ts";
import type { ModelAnswer } from "../model/accumulate.ts";
import { askInBatch, type BatchAskHost } from "./ask-in-batch.ts";
import { checkBudgets } from "./budget.ts";
import { BatchCollector } from "./collector.ts";
import { BatchResults } from "./results.ts";
import { BATCH_SETTINGS, type BatchSettings } from "./settings.ts";

/** The process around it. */
export interface BatchParts {
  db: AgentDatabase;
  log: Logger;
  worker: string;
  settings?: Partial<BatchSettings> | undefined;
  /** Tells the agent's processes that there is work. */
  wake(): void;
}

/** Batch mode of one agent. It is there in Streaming mode too: batches of before the mode was changed are still collected. */
export class BatchMode {
  readonly #host: BatchAskHost;
  readonly #collector: BatchCollector;

  constructor(asking: AskHost, { db, log, worker, settings, wake }: BatchParts) {
    const { config, metrics, health, refreshKey, model } = asking;
    this.#host = {
      api: model.batches,
      settings: { ...BATCH_SETTINGS, ...settings },
      config,
      db,
      log,
      metrics,
      health,
      request: (messages) => requestOf(asking, messages),
      limited: asking.budget.limited,
      refreshKey,
      wake,
      results: new BatchResults(model.batches),
      checkBudgets: (request, execution) => checkBudgets(asking, { db }, request, execution),
      count: (answer) => countAnswer(metrics, config.model, answer),
    };
    this.#collector = new BatchCollector(this.#host, worker);
  }

  /** Whether the run's next answer comes, or is to come, in a batch. */
  takes({ batchGroup }: ClaimedRun): boolean {
    return batchGroup !== null || this.#host.config.mode === "Batch";
  }

  /** @throws ParkRun, RunFailed */
  ask(messages: Message[], execution: Execution): Promise<ModelAnswer> {
    return askInBatch(this.#host, messages, execution);
  }

  /** Runs that wait for a batch, as this process knows. */
  get waiting(): number {
    return this.#collector.waiting;
  }

  start(): void {
    this.#collector.start();
  }

  stop(): Promise<void> {
    return this.#collector.stop();
  }
}
