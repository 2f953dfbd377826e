import { setTimeout as sleep } from "node:timers/promises";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { NO_SPEND, type Spend } from "../../database/runs/load.ts";
import { type BudgetUse, reserveBudget } from "../../database/runs/reserve-budget.ts";
import { type Budgets, leftOf, refusedByBudget } from "./budget.ts";
import { RunFailed } from "./stop.ts";

const plus = (a: Spend, b: Spend, sign = 1): Spend => ({
  usd: a.usd + sign * b.usd,
  tokens: a.tokens + sign * b.tokens,
});
const fits = (need: Spend, within: Spend): boolean =>
  need.usd <= within.usd + 1e-9 && need.tokens <= within.tokens + 1e-9;

/** How many calls like the one at hand are reserved for at once, and how much of what is left at most. */
const CALLS_AHEAD = 50;
const SHARE_OF_REST = 0.25;
/** How long to wait for what other workers have reserved and may not need, in milliseconds. */
const WAIT_MS = 20_000;
const LOOK_AGAIN_MS = 200;

/**
 * Keeps a tenant's replicas within its budgets without a lock on the way of each call. A worker reserves a slice in Postgres and
 * spends from it: no call starts whose worst case does not fit into what the worker holds. What is spent is written with the
 * run's steps; from then on it counts there. The slice of a worker that dies is void with its lease.
 */
export class BudgetKeeper {
  readonly #db: AgentDatabase;
  readonly #budgets: Budgets;
  readonly #agent: string;
  readonly #worker: string;
  readonly #limited: boolean;
  /** The slice: what Postgres keeps for this worker, less what was spent of it and is written. */
  #held: Spend = NO_SPEND;
  /** Of it, calls under way at their worst, and answers whose cost is not written yet. */
  #used: Spend = NO_SPEND;
  readonly #unwritten = new Map<string, Spend>();
  #writtenInAll: Spend = NO_SPEND;
  #look: { at: number; use: BudgetUse | undefined } = { at: 0, use: undefined };
  #turn: Promise<unknown> = Promise.resolve();
  #lastUse = 0;

  constructor(db: AgentDatabase, budgets: Budgets, agent: string, worker: string) {
    this.#db = db;
    this.#budgets = budgets;
    this.#agent = agent;
    this.#worker = worker;
    const { budget, agentBudget } = budgets;
    this.#limited = [budget.perDay, budget.perMonth, agentBudget.perDay, agentBudget.perMonth].some(Boolean);
  }

  /** Whether anything limits the agent as a whole. */
  get limited(): boolean {
    return this.#limited;
  }

  /**
   * Reserves the worst case of a call; {@link answered} or {@link failed} follows.
   * @param run that it is for: what it has spent already is not going to be less
   * @throws RunFailed `budget_exceeded`, which names the limit and when it resets; or the signal's reason
   */
  async reserve(worst: Spend, signal: AbortSignal, run: string): Promise<void> {
    if (!this.#limited) return;
    this.#lastUse = Date.now();
    const until = Date.now() + WAIT_MS;
    while (!this.#take(worst)) {
      const use = await this.#inTurn(() => this.#grow(worst));
      if (this.#take(worst)) return;
      const refusal = use && refusedByBudget(this.#budgets, use, plus(this.#used, worst), new Date());
      if (refusal && this.#nothingUnderWay(run)) throw new RunFailed("budget_exceeded", refusal.message);
      if (Date.now() > until) {
        const message = refusal?.message ?? "other calls have reserved what is left of the budget: try again later";
        throw new RunFailed("budget_exceeded", message);
      }
      await sleep(250, undefined, { signal }).catch(() => {});
      signal.throwIfAborted();
    }
  }

  /** Calls under way here may turn out cheaper than feared: while there are any but this run's, a refusal is not certain. */
  #nothingUnderWay(run: string): boolean {
    return fits(plus(this.#used, this.#unwritten.get(run) ?? NO_SPEND, -1), NO_SPEND);
  }

  #take(worst: Spend): boolean {
    if (!fits(plus(this.#used, worst), this.#held)) return false;
    this.#used = plus(this.#used, worst);
    return true;
  }

  /** The call gave an answer, or a part of one, that cost so much; it is still to be written with the run. */
  answered(run: string, worst: Spend, cost: Spend): void {
    if (!this.#limited) return;
    this.#used = plus(plus(this.#used, worst, -1), cost);
    this.#unwritten.set(run, plus(this.#unwritten.get(run) ?? NO_SPEND, cost));
  }

  /** The call has cost nothing. */
  failed(worst: Spend): void {
    if (this.#limited) this.#used = plus(this.#used, worst, -1);
  }

  /** All that the run has spent is in the database. */
  written(run: string): void {
    const cost = this.#unwritten.get(run);
    if (!cost) return;
    this.#unwritten.delete(run);
    this.#used = plus(this.#used, cost, -1);
    this.#held = plus(this.#held, cost, -1);
    this.#writtenInAll = plus(this.#writtenInAll, cost);
  }

  /** The run is over here; what was not written will not be. */
  forget(run: string): void {
    const cost = this.#unwritten.get(run);
    if (cost) this.#used = plus(this.#used, cost, -1);
    this.#unwritten.delete(run);
  }

  /** Gives back what is not in use, when nothing has been asked for a while: others may need it. Called every so often. */
  async giveBack(): Promise<void> {
    const spare = plus(this.#held, this.#used, -1);
    if (!this.#limited || (spare.usd <= 1e-9 && spare.tokens <= 0) || Date.now() - this.#lastUse < 2000) return;
    await this.#inTurn(() => this.#set(() => this.#used));
  }

  async #grow(worst: Spend): Promise<BudgetUse | undefined> {
    if (fits(plus(this.#used, worst), this.#held)) return undefined; // somebody before us in the turn has grown it
    if (Date.now() - this.#look.at < LOOK_AGAIN_MS) return this.#look.use; // many calls wait: one look is enough for all
    return this.#set((left) => {
      const needed = plus(this.#used, worst);
      if (!fits(needed, left)) return this.#used;
      const rest = plus(left, needed, -1);
      return {
        usd: sliceOf(needed.usd, worst.usd, rest.usd),
        tokens: sliceOf(needed.tokens, worst.tokens, rest.tokens),
      };
    });
  }

  async #set(slice: (left: Spend) => Spend): Promise<BudgetUse | undefined> {
    let seen: BudgetUse | undefined;
    let held = this.#held;
    // From before the look on: what is written while it is under way may be in it or not, and is taken for one that is not.
    const before = this.#writtenInAll;
    // Calls that start meanwhile may take no more than what is left of the slice before and after.
    await reserveBudget(this.#db, this.#worker, this.#agent, (use) => {
      seen = use;
      held = slice(leftOf(this.#budgets, use, new Date()));
      this.#held = { usd: Math.min(this.#held.usd, held.usd), tokens: Math.min(this.#held.tokens, held.tokens) };
      return held;
    });
    this.#held = plus(held, plus(this.#writtenInAll, before, -1), -1);
    this.#look = { at: Date.now(), use: seen };
    return seen;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work, work);
    this.#turn = next.catch(() => {});
    return next;
  }
}

const sliceOf = (needed: number, call: number, rest: number): number =>
  Number.isFinite(rest) ? needed + Math.min(rest * SHARE_OF_REST, call * CALLS_AHEAD) : needed + call * CALLS_AHEAD;
