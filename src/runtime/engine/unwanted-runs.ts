import type { AgentConfig } from "../../api/agent-config.ts";
import { TranscriptUnreadable } from "../../database/encryption/errors.ts";
import type { RunStep } from "../../database/runs/apply-steps.ts";
import { releaseRuns } from "../../database/runs/claim-runs.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { openConversation } from "../../database/runs/open-conversation.ts";
import type { QueuedRun } from "../../database/runs/run.ts";
import { cancelBelow, cancelUnwanted, claimAbandoned, type UnwantedRun } from "../../database/runs/unwanted-runs.ts";
import type { Logger } from "../../telemetry/log.ts";
import { cancelledBeforeWork, failedUnread } from "./end-without-work.ts";
import { RunChannel } from "./events.ts";
import { Execution, type ExecutionHost } from "./execution.ts";
import { StopWork } from "./stop.ts";

interface UnwantedRunsHost {
  config: AgentConfig;
  db: AgentDatabase;
  log: Logger;
  worker: string;
  write(step: RunStep): Promise<unknown>;
  /** What an execution of a run of this agent gets. */
  execution(): ExecutionHost;
  /** The run is to be cancelled, if this process works on it. */
  cancel(runId: string): void;
  /** Tells the pods of these agents that there is work. */
  wake(agents: string[]): void;
}

/** Between two looks: they only find what was lost with a process or a connection, or waits for an agent that has no pod. */
const EVERY_MS = 5000;

/** Runs whose answer nobody waits for any more: they are cancelled, and those that have nobody to do it are ended from here. */
export class UnwantedRuns {
  readonly #host: UnwantedRunsHost;
  /** By the monotonic clock. */
  #lookedAt = -Infinity;

  constructor(host: UnwantedRunsHost) {
    this.#host = host;
  }

  /** Cancels what an ended run has asked for. What fails here is found by the next {@link look} of any process of the tenant. */
  async below(runId: string): Promise<void> {
    const { db, log } = this.#host;
    await cancelBelow(db, runId)
      .then((runs) => this.#end(runs))
      .catch((err) => log.warn({ run: runId, err }, "runs of other agents were not cancelled; it is tried again soon"));
  }

  /** Looks for such runs when it is time to. @throws when the database cannot be reached */
  async look(): Promise<void> {
    if (performance.now() - this.#lookedAt < EVERY_MS) return;
    this.#lookedAt = performance.now();
    await this.#end(await cancelUnwanted(this.#host.db));
  }

  async #end(runs: UnwantedRun[]): Promise<void> {
    const { config, log, write, cancel, wake } = this.#host;
    for (const { id } of runs) cancel(id);
    wake(runs.filter((it) => !it.known).map((it) => it.agent));
    const queued = runs.filter((it) => it.state === "pending");
    await Promise.all(queued.map((it) => write(cancelledBeforeWork(config, it))));
    for (const run of runs.filter((it) => it.abandoned)) {
      await this.#endAbandoned(run).catch((err) =>
        log.warn({ run: run.id, err }, "a run that nobody waits for was not ended; it is tried again soon"),
      );
    }
  }

  async #endAbandoned(abandoned: UnwantedRun): Promise<void> {
    const { db, worker } = this.#host;
    const run = await claimAbandoned(db, worker, abandoned);
    if (!run) return;
    try {
      await this.#endClaimed(run, abandoned.agent);
    } catch (error) {
      await releaseRuns(db, worker, [run]);
      throw error;
    }
  }

  /** As its own agent would: the calls that it was at are answered, so that its conversation can go on. */
  async #endClaimed(run: QueuedRun, name: string): Promise<void> {
    const { db, worker, write, execution } = this.#host;
    const config = { ...this.#host.config, agent: { ...this.#host.config.agent, name } };
    try {
      const conversation = await openConversation(db, run);
      if (!conversation) return;
      const host = { ...execution(), config, tracing: undefined };
      const claimed = { ...run, variables: conversation.variables };
      const channel = new RunChannel(conversation.lastSeq);
      const cancelled = AbortSignal.abort(new StopWork("cancelled"));
      await new Execution(host, claimed, conversation, true, channel, cancelled).work();
    } catch (error) {
      if (!(error instanceof TranscriptUnreadable)) throw error;
      await write(failedUnread(config, run, worker));
    }
  }
}
