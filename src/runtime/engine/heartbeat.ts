import { setTimeout as sleep } from "node:timers/promises";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { releaseRuns } from "../../database/runs/claim-runs.ts";
import { type HeldRun, renewLeases, type WorkerReport } from "../../database/runs/workers.ts";
import type { Logger } from "../../telemetry/log.ts";

/** What a heartbeat needs of the engine. */
export interface HeartbeatHost {
  db: AgentDatabase;
  log: Logger;
  worker: string;
  agent: string;
  leaseSeconds: number;
  report: () => WorkerReport;
  /** Whether this process works on the run, or is about to. */
  worksOn(runId: string): boolean;
  /** The run was asked to be cancelled, here or elsewhere. */
  cancel(runId: string): void;
  /** Runs were put back: somebody should look for work. */
  released(): void;
  /** What else is done with each beat, unless it still goes on since an earlier one. Must not throw. */
  alongside(): Promise<void>;
}

/** Keeps the leases of a process on all its runs, by one row, and hears with it what became of them. */
export class Heartbeat {
  readonly #host: HeartbeatHost;
  #forgotten = new Set<string>();
  /** By the monotonic clock. */
  #renewedAt = -Infinity;
  #stopped = false;
  #alongside = false;

  constructor(host: HeartbeatHost) {
    this.#host = host;
  }

  /** Whether this process keeps its leases: else the database takes no writes from it, and others may take its runs. */
  get holdsLeases(): boolean {
    return performance.now() - this.#renewedAt < this.#host.leaseSeconds * 1000;
  }

  /** @throws when the database cannot be reached */
  async start(): Promise<void> {
    await this.#beat();
    void this.#go();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #go(): Promise<void> {
    const { leaseSeconds, log, alongside } = this.#host;
    while (!this.#stopped) {
      await sleep((leaseSeconds * 1000) / 4);
      if (this.#stopped) return;
      await this.#beat().catch((error) => log.warn({ err: error }, "leases were not renewed"));
      if (this.#alongside) continue;
      this.#alongside = true;
      void alongside().finally(() => (this.#alongside = false)); // not waited for: its connection may have fallen silent
    }
  }

  async #beat(): Promise<void> {
    const { db, worker, agent, leaseSeconds, report, worksOn, cancel } = this.#host;
    const began = performance.now();
    const held = await renewLeases(db, worker, agent, leaseSeconds, report());
    this.#renewedAt = began;
    for (const { id, cancelRequested } of held) if (cancelRequested) cancel(id);
    await this.#releaseForgotten(held.filter(({ id }) => !worksOn(id)));
  }

  /**
   * Runs that are ours in the database but not here: the answer to a write got lost with its connection. Put back when seen twice,
   * because the database's list may be older than what this process has begun since.
   */
  async #releaseForgotten(runs: HeldRun[]): Promise<void> {
    const twice = runs.filter(({ id }) => this.#forgotten.has(id));
    this.#forgotten = new Set(runs.map(({ id }) => id));
    if (twice.length === 0) return;
    await releaseRuns(this.#host.db, this.#host.worker, twice);
    this.#host.released();
  }
}
