import type { AgentConfig } from "../../api/agent-config.ts";
import { type Spend, type TenantLoad, tenantLoad } from "../../database/runs/load.ts";
import type { Queryable } from "../../database/runs/database.ts";
import { uuidv7Since } from "../uuid.ts";

const MINUTE = 60_000;
const NOTHING: Spend = { usd: 0, tokens: 0 };
const EMPTY: TenantLoad = { recentRuns: 0, activeElsewhere: 0, queued: 0, day: NOTHING, month: NOTHING };

const plus = (a: Spend, b: Spend, sign = 1): Spend => ({
  usd: a.usd + sign * b.usd,
  tokens: a.tokens + sign * b.tokens,
});

/**
 * What the tenant does, over all its pods: read from the database every so often, plus what this process did since.
 * Limits that rest on it are therefore exact within one process and lag by one refresh between processes.
 */
export class LoadMonitor {
  readonly #db: Queryable;
  readonly #config: AgentConfig;
  readonly #worker: string;
  #load: TenantLoad = EMPTY;
  #acceptedSince = 0;
  #settledSince: Spend = NOTHING;
  #underway: Spend = NOTHING;
  #lastUse = 0;
  #readAt = 0;

  constructor(db: Queryable, config: AgentConfig, worker: string) {
    this.#db = db;
    this.#config = config;
    this.#worker = worker;
  }

  /** Reads the load when it is due: every 2 s while there is traffic, every 15 s otherwise. */
  async refresh(force = false): Promise<void> {
    const now = Date.now();
    const every = now - this.#lastUse < 10_000 ? 2000 : 15_000;
    if (!force && now - this.#readAt < every) return;
    this.#readAt = now;
    const accepted = this.#acceptedSince;
    const settled = this.#settledSince;
    const { runsPerMinute } = this.#config.tenantLimits;
    this.#load = await tenantLoad(this.#db, {
      agent: this.#config.agent.name,
      worker: this.#worker,
      since: uuidv7Since(now - MINUTE),
      cap: runsPerMinute + 1,
    });
    this.#acceptedSince -= accepted;
    this.#settledSince = plus(this.#settledSince, settled, -1);
  }

  /** Counts a run against the tenant's rate. @returns seconds to wait when there have been too many, otherwise undefined */
  admit(): number | undefined {
    this.#lastUse = Date.now();
    if (this.#load.recentRuns + this.#acceptedSince >= this.#config.tenantLimits.runsPerMinute) {
      return Math.max(1, Math.ceil(60 / this.#config.tenantLimits.runsPerMinute));
    }
    this.#acceptedSince++;
    return undefined;
  }

  /** How many more runs may work now, given so many in this process. */
  room(activeHere: number): number {
    return Math.max(0, this.#config.tenantLimits.concurrentRuns - this.#load.activeElsewhere - activeHere);
  }

  get queued(): number {
    return this.#load.queued;
  }

  /** Spend of today and this month that is settled. */
  get spent(): { day: Spend; month: Spend } {
    return { day: plus(this.#load.day, this.#settledSince), month: plus(this.#load.month, this.#settledSince) };
  }

  get underway(): Spend {
    return this.#underway;
  }

  reserve(spend: Spend): void {
    this.#underway = plus(this.#underway, spend);
  }
  release(spend: Spend): void {
    this.#underway = plus(this.#underway, spend, -1);
  }
  settle(spend: Spend): void {
    this.#settledSince = plus(this.#settledSince, spend);
  }
}
