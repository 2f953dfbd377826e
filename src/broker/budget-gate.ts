import type { BrokerConfig } from "../api/broker-config.ts";
import type { Queryable } from "../database/runs/database.ts";
import { NO_SPEND, type Spend } from "../database/runs/load.ts";
import { type BudgetUse, budgetUse, NOBODY } from "../database/runs/reserve-budget.ts";
import { type Budgets, budgetRatio, refusedByBudget } from "../runtime/engine/budget.ts";
import type { Meter } from "./meter.ts";
import { Refused } from "./refusal.ts";

/** How old what is known of the spend may be, in milliseconds: usually, and while the database cannot be reached. */
const FRESH_MS = 1000;
const USABLE_MS = 60_000;
/** Calls wait no longer for the database. */
const PATIENCE_MS = 5000;

const plus = (a: Spend, b: Spend, sign = 1): Spend => ({
  usd: a.usd + sign * b.usd,
  tokens: a.tokens + sign * b.tokens,
});
const larger = (a: Spend, b: Spend): Spend => ({
  usd: Math.max(a.usd, b.usd),
  tokens: Math.max(a.tokens, b.tokens),
});

const NOTHING: BudgetUse["tenant"] = { day: NO_SPEND, month: NO_SPEND };

const outOfTime = () =>
  new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("the database did not answer in time")), PATIENCE_MS).unref();
  });

/**
 * Lets calls through for which the tenant's budget has room at their worst, as the runtime does: by what the runs have written to the
 * database, and by what went through here, for an agent that writes nothing of it. What an honest runtime has reserved always has room.
 */
export class BudgetGate {
  readonly #db: Queryable;
  readonly #budgets: Budgets;
  readonly #limited: boolean;
  readonly #meter: Meter;
  #underWay: Spend = NO_SPEND;
  #look: { at: number; use: BudgetUse } | undefined;
  #looking: Promise<BudgetUse> | undefined;

  constructor(db: Queryable, { budget }: Pick<BrokerConfig, "budget">, meter: Meter) {
    this.#db = db;
    this.#budgets = { budget, agentBudget: {} };
    this.#limited = budget.perDay !== undefined || budget.perMonth !== undefined;
    this.#meter = meter;
  }

  /** @returns to be called when the call is over. @throws Refused */
  async enter(worst: Spend): Promise<() => void> {
    if (!this.#limited || worst.tokens === 0) return () => {};
    this.#check(await this.#use(), worst);
    this.#underWay = plus(this.#underWay, worst);
    return () => {
      this.#underWay = plus(this.#underWay, worst, -1);
    };
  }

  /**
   * How much of the tenant's tightest budget is spent, as far as it is known without waiting: 0 none, or no budget; 1 all. What is
   * known may be old where nobody calls; then it is looked up for the next time. Never throws.
   */
  ratio(): number {
    if (!this.#limited) return 0;
    if (performance.now() - (this.#look?.at ?? -Infinity) > USABLE_MS) this.#lookAgain().catch(() => {});
    return budgetRatio(this.#budgets.budget, this.#spent(this.#look?.use.tenant ?? NOTHING, new Date()));
  }

  /** By what runs wrote down, and by what went through here: whichever is more. */
  #spent({ day, month }: BudgetUse["tenant"], now: Date): BudgetUse["tenant"] {
    const metered = this.#meter.spent(now);
    return { day: larger(day, metered.day), month: larger(month, metered.month) };
  }

  #check(use: BudgetUse, worst: Spend): void {
    const now = new Date();
    const spent = { ...use, tenant: this.#spent(use.tenant, now) };
    const refusal = refusedByBudget(this.#budgets, spent, worst, now);
    if (refusal) throw new Refused("budget", refusal.message);
    if (refusedByBudget(this.#budgets, spent, plus(worst, this.#underWay), now))
      throw new Refused("budget-in-use", "calls under way may need what is left of the tenant's budget");
  }

  async #use(): Promise<BudgetUse> {
    const age = performance.now() - (this.#look?.at ?? -Infinity);
    if (this.#look && age < FRESH_MS) return this.#look.use;
    try {
      return await Promise.race([this.#lookAgain(), outOfTime()]);
    } catch (cause) {
      if (this.#look && age < USABLE_MS) return this.#look.use;
      throw new Refused("budget-unknown", "what the tenant has spent cannot be looked up now", { cause });
    }
  }

  /** One look at a time, for all who wait. */
  #lookAgain(): Promise<BudgetUse> {
    const at = performance.now();
    this.#looking ??= budgetUse(this.#db, "", NOBODY)
      .then((use) => (this.#look = { at, use }).use)
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }
}
