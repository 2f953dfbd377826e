import { setTimeout as sleep } from "node:timers/promises";
import { APIError } from "@anthropic-ai/sdk";
import {
  type BatchGroup,
  leadsBatches,
  waitingGroups,
  wakeGroup,
  wakeUnsubmitted,
} from "../../database/runs/batches.ts";
import { classifyModelError } from "../model/failure.ts";
import type { BatchHost } from "./host.ts";
import { LeftBatches } from "./left-batches.ts";
import { recoverGroup } from "./recover.ts";
import { pollPause } from "./settings.ts";
import { submitBatch } from "./submit.ts";

/** Of the API: a batch expires after 24 hours. One that is not over by then is cancelled. */
const LONGEST_MS = 25 * 3_600_000;
/** How long a process that ends waits for a submission that is under way. */
const GRACE_MS = 10_000;

type Named = BatchGroup & { group: string };

/**
 * Looks after the batches of one agent: gathers runs into batches, and looks whether batches are over. One of the agent's processes
 * does so; all that it knows is in the database, so any other can go on.
 */
export class BatchCollector {
  readonly #host: BatchHost;
  readonly #worker: string;
  readonly #stop = new AbortController();
  /** When groups are looked at again, by the monotonic clock. */
  readonly #due = new Map<string, number>();
  readonly #strangers = new Map<string, Set<string>>();
  readonly #left: LeftBatches;
  #leads = false;
  #gatheringSince: number | undefined;
  #notBefore = 0;
  #waiting = 0;
  #done: Promise<void> = Promise.resolve();

  constructor(host: BatchHost, worker: string) {
    this.#host = host;
    this.#worker = worker;
    this.#left = new LeftBatches(host);
  }

  /** Runs of the agent that wait for a batch; 0 in processes that do not look after them. */
  get waiting(): number {
    return this.#waiting;
  }

  start(): void {
    this.#done = this.#work();
  }

  /** Takes up nothing more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.race([this.#done, sleep(GRACE_MS, undefined, { ref: false })]);
  }

  async #work(): Promise<void> {
    const { settings, log, config } = this.#host;
    const { signal } = this.#stop;
    // What is left of a time as Batch agent has waited for long already, and there may never have been any.
    const pause = settings.tickMs * (config.mode === "Batch" ? 1 : 15);
    while (!signal.aborted) {
      const more = await this.#tick().catch((error) => {
        log.warn({ err: error }, "batches could not be looked after");
        return false;
      });
      if (!more) await sleep(pause, undefined, { signal }).catch(() => {});
    }
  }

  /** @returns whether there is more to submit at once */
  async #tick(): Promise<boolean> {
    const { db, config } = this.#host;
    if (!(await this.#takesTheLead())) return false;
    const groups = await waitingGroups(db, config.agent.name);
    this.#waiting = groups.reduce((sum, it) => sum + it.runs, 0);
    this.#forgetOthersThan(groups);
    const named = groups.filter((it): it is Named => it.group !== null);
    const known = new Set(named.flatMap(({ batchId }) => batchId ?? []));
    await Promise.all(named.filter((it) => this.#isDue(it)).map((it) => this.#lookAt(it, known)));
    await this.#left.lookAfter(named);
    return this.#gather(groups.find((it) => it.group === null)?.runs ?? 0);
  }

  async #takesTheLead(): Promise<boolean> {
    const { db, config } = this.#host;
    const leads = await leadsBatches(db, config.agent.name, this.#worker);
    if (leads && !this.#leads && config.mode === "Batch") await this.#left.find();
    this.#leads = leads;
    if (!leads) this.#waiting = 0;
    return leads;
  }

  #forgetOthersThan(groups: BatchGroup[]): void {
    const present = new Set(groups.map((it) => it.group));
    for (const known of [this.#due, this.#strangers])
      for (const group of known.keys()) if (!present.has(group)) known.delete(group);
  }

  #isDue({ group, batchId, age }: Named): boolean {
    const { submitMs, pollMs } = this.#host.settings;
    const first = batchId === null ? 2 * submitMs : pollMs;
    return age * 1000 >= first && performance.now() >= (this.#due.get(group) ?? 0);
  }

  async #lookAt(it: Named, known: ReadonlySet<string>): Promise<void> {
    const { settings, log, health, config } = this.#host;
    this.#due.set(it.group, performance.now() + pollPause(settings, it.age * 1000));
    try {
      await (it.batchId === null ? this.#recover(it, known) : this.#poll(it, it.batchId));
    } catch (error) {
      if (error instanceof APIError) health.failed(classifyModelError(error, config.model));
      log.warn({ group: it.group, batch: it.batchId, err: error as Error }, "a batch could not be looked at");
    }
  }

  async #recover(it: Named, known: ReadonlySet<string>): Promise<void> {
    const strangers = this.#strangers.get(it.group) ?? new Set();
    this.#strangers.set(it.group, strangers);
    const outcome = await recoverGroup(this.#host, it, known, strangers);
    if (outcome === "adopted") this.#due.delete(it.group);
  }

  async #poll({ group, age }: Named, batchId: string): Promise<void> {
    const { api, db, config, metrics, wake } = this.#host;
    const batch = await api.retrieve(batchId).catch((error: unknown) => {
      if (error instanceof APIError && error.status === 404) return undefined; // deleted, or the key is another account's now
      throw error;
    });
    if (batch && !batch.ended) {
      if (age * 1000 > LONGEST_MS) await api.cancel(batchId);
      return;
    }
    const woken = await wakeGroup(db, config.agent.name, group);
    this.#left.isOver(group, batchId, batch === undefined || batch.requests <= woken);
    metrics.batches.inc({ outcome: batch ? "ended" : "gone" });
    wake();
  }

  async #gather(runs: number): Promise<boolean> {
    const { settings, config, db, wake } = this.#host;
    const now = performance.now();
    if (runs === 0) this.#gatheringSince = undefined;
    else if (config.mode !== "Batch") {
      await wakeUnsubmitted(db, config.agent.name);
      wake();
      return false;
    }
    if (runs === 0 || now < this.#notBefore) return false;
    this.#gatheringSince ??= now;
    const complete = runs >= settings.most || now - this.#gatheringSince >= settings.gatherMs;
    if (!complete || this.#stop.signal.aborted) return false;
    this.#gatheringSince = undefined;
    const { runs: submitted, busyMs = 0, batch } = await submitBatch(this.#host);
    if (batch) this.#left.wasSubmitted(batch.group, batch.batchId);
    this.#notBefore = performance.now() + busyMs;
    return submitted > 0 && submitted < runs;
  }
}
