import { APIError } from "@anthropic-ai/sdk";
import { batchesOfCancelled, groupIsLeft, type LateSpend, settleCancelled } from "../../database/runs/settle-batch.ts";
import { NO_TOKENS } from "../../database/runs/run.ts";
import { costOf } from "../prices.ts";
import { uuidv7Since } from "../uuid.ts";
import type { BatchResult } from "../model/batch-api.ts";
import { isOfGroup, runOf } from "./custom-id.ts";
import type { BatchHost } from "./host.ts";

/** Runs of these days are looked through for batches that a process before this one has not settled. */
const LOOK_BACK_MS = 3 * 24 * 3_600_000;

/** Batches that runs have left because they were cancelled: cancelled too when nobody waits for them, and paid for as far as they were processed. */
export class LeftBatches {
  readonly #host: BatchHost;
  readonly #left = new Map<string, { batchId: string; cancelled: boolean }>();
  /** Batches that were waited for when it was last looked. */
  #known = new Map<string, string>();
  /** Groups whose batch was over since then. */
  readonly #over = new Set<string>();
  #due = 0;

  constructor(host: BatchHost) {
    this.#host = host;
  }

  #add(group: string, batchId: string): void {
    if (!this.#left.has(group)) this.#left.set(group, { batchId, cancelled: false });
  }

  wasSubmitted(group: string, batchId: string): void {
    this.#known.set(group, batchId);
  }

  /** @param awaited whether a run waited for each of its answers */
  isOver(group: string, batchId: string, awaited: boolean): void {
    this.#over.add(group);
    if (!awaited) this.#add(group, batchId);
  }

  /** Finds those that a process before this one has left. */
  async find(): Promise<void> {
    const { db, config } = this.#host;
    for (const { group, batchId } of await batchesOfCancelled(
      db,
      config.agent.name,
      uuidv7Since(Date.now() - LOOK_BACK_MS),
    ))
      this.#add(group, batchId);
  }

  /** Of the groups that are waited for now: one that was, and is not any more though it is not over, was left by all of its runs. */
  async lookAfter(awaited: { group: string; batchId: string | null }[]): Promise<void> {
    const now = new Map(awaited.flatMap(({ group, batchId }) => (batchId ? [[group, batchId] as const] : [])));
    for (const [group, batchId] of this.#known)
      if (!now.has(group) && !this.#over.delete(group)) this.#add(group, batchId);
    this.#known = now;
    if (performance.now() < this.#due) return;
    this.#due = performance.now() + this.#host.settings.pollMs;
    await this.#settle();
  }

  async #settle(): Promise<void> {
    for (const [group, it] of this.#left) {
      const settled = await this.#isSettled(group, it).catch((error) => {
        if (error instanceof APIError && error.status === 404) return true; // deleted, or another account's
        this.#host.log.warn(
          { group, batch: it.batchId, err: error },
          "a batch that nobody waits for could not be settled",
        );
        return false;
      });
      if (settled) this.#left.delete(group);
    }
  }

  async #isSettled(group: string, it: { batchId: string; cancelled: boolean }): Promise<boolean> {
    const { api, db, config, metrics } = this.#host;
    if (!(await api.retrieve(it.batchId)).ended) {
      if (it.cancelled || !(await groupIsLeft(db, config.agent.name, group))) return false;
      await api.cancel(it.batchId);
      metrics.batches.inc({ outcome: "cancelled" });
      it.cancelled = true;
      return false;
    }
    const spends: LateSpend[] = [];
    for await (const [id, result] of api.results(it.batchId))
      if (isOfGroup(id, group)) spends.push(this.#spendOf(runOf(id), result));
    await settleCancelled(db, group, spends);
    return true;
  }

  #spendOf(run: string, result: BatchResult): LateSpend {
    if (result.kind !== "succeeded") return { run, tokens: NO_TOKENS, usd: 0 };
    const { tokens } = result.answer;
    return { run, tokens, usd: costOf(this.#host.config.model, tokens, true) };
  }
}
