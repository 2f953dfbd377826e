import type { AgentConfig } from "../../api/agent-config.ts";
import type { Queryable } from "../../database/runs/database.ts";
import { NO_SPEND, type Spend, type TenantLoad, tenantLoad } from "../../database/runs/load.ts";
import { uuidv7Since } from "../uuid.ts";
import { fairShare } from "./fair-share.ts";

const MINUTE = 60_000;
const EMPTY: TenantLoad = {
  recentRuns: { tenant: 0, agent: 0 },
  agents: new Map(),
  day: NO_SPEND,
  month: NO_SPEND,
};

/** Why a run is not taken now, and after how many seconds to try again. */
export interface NotNow {
  reason: string;
  retryAfter: number;
}

const perMinute = (limit: number): number => Math.max(1, Math.ceil(60 / limit));

/**
 * What the tenant does, over all its pods: read from the database every so often, plus what this process did since.
 * Limits a minute are exact within one process and lag by one refresh between processes; how many runs work at once is checked by
 * the statements that start them as well.
 */
export class LoadMonitor {
  readonly #db: Queryable;
  readonly #config: AgentConfig;
  readonly #worker: string;
  #load: TenantLoad = EMPTY;
  #acceptedSince = 0;
  #queuedSince = 0;
  #lastUse = 0;
  #readAt = 0;
  #reading: Promise<void> | undefined;

  constructor(db: Queryable, config: AgentConfig, worker: string) {
    this.#db = db;
    this.#config = config;
    this.#worker = worker;
  }

  /** Reads the load when it is due: every 2 s while there is traffic, every 15 s otherwise. */
  async refresh(force = false): Promise<void> {
    const now = Date.now();
    const every = now - this.#lastUse < 10_000 ? 2000 : 15_000;
    if (force || now - this.#readAt >= every) await this.#read();
  }

  /**
   * Reads the load where it says that runs elsewhere take the room, and it is older than `ms`: they may be over or parked.
   * @throws as the database does
   */
  async refreshIfFull(activeHere: number, ms: number): Promise<void> {
    const elsewhere = [...this.#load.agents.values()].some((it) => it.runningElsewhere > 0);
    if (elsewhere && this.room(activeHere) <= 0 && Date.now() - this.#readAt >= ms) await this.#read();
  }

  #read(): Promise<void> {
    this.#reading ??= this.#readNow().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #readNow(): Promise<void> {
    const now = Date.now();
    this.#readAt = now;
    const accepted = this.#acceptedSince;
    const queued = this.#queuedSince;
    const { tenantLimits, limits } = this.#config;
    this.#load = await tenantLoad(this.#db, {
      agent: this.#config.agent.name,
      worker: this.#worker,
      since: uuidv7Since(now - MINUTE),
      cap: Math.max(tenantLimits.runsPerMinute, limits.runsPerMinute ?? 0) + 1,
    });
    this.#acceptedSince -= accepted;
    this.#queuedSince -= queued;
  }

  /** Counts a run against the rates and the queue. @returns why not, when there have been or are too many */
  admit(): NotNow | undefined {
    this.#lastUse = Date.now();
    const { tenantLimits, limits } = this.#config;
    const { tenant, agent } = this.#load.recentRuns;
    if (tenant + this.#acceptedSince >= tenantLimits.runsPerMinute)
      return {
        reason: `the tenant's limits.runsPerMinute (${tenantLimits.runsPerMinute}) is reached`,
        retryAfter: perMinute(tenantLimits.runsPerMinute),
      };
    if (limits.runsPerMinute !== undefined && agent + this.#acceptedSince >= limits.runsPerMinute)
      return {
        reason: `the agent's limits.runsPerMinute (${limits.runsPerMinute}) is reached`,
        retryAfter: perMinute(limits.runsPerMinute),
      };
    if (this.queued >= limits.queuedRuns && this.queued > 0)
      return {
        reason: `${this.queued} runs wait already (limits.queuedRuns is ${limits.queuedRuns})`,
        retryAfter: Math.min(60, Math.max(1, Math.ceil(this.queued / this.concurrentRuns))),
      };
    this.#acceptedSince++;
    return undefined;
  }

  /** A run was put into the queue. */
  wasQueued(): void {
    this.#queuedSince++;
  }

  /** Runs of this agent that may work at once, over all pods, as its own limit and the tenant's have it. */
  get concurrentRuns(): number {
    const { tenantLimits, limits } = this.#config;
    return Math.min(tenantLimits.concurrentRuns, limits.concurrentRuns ?? Number.POSITIVE_INFINITY);
  }

  /** How many more runs may work now, given so many in this process: no more than the agent's fair share of the tenant's limit. */
  room(activeHere: number): number {
    const limit = this.#config.tenantLimits.concurrentRuns;
    const own = this.#load.agents.get(this.#config.agent.name) ?? { runningElsewhere: 0, queued: 0 };
    const others = [...this.#load.agents]
      .filter(([agent]) => agent !== this.#config.agent.name)
      .map(([, it]) => ({ running: it.runningElsewhere, waiting: it.queued }));
    const running = own.runningElsewhere + activeHere;
    const elsewhere = others.reduce((sum, it) => sum + it.running, 0);
    // What is asked for beyond the queue that was seen is not known: it may be any number.
    const share = others.length ? fairShare({ running, waiting: limit }, others, limit) : limit;
    return Math.max(0, Math.min(share - running, this.concurrentRuns - running, limit - elsewhere - running));
  }

  /** Runs of this agent that wait for a worker. */
  get queued(): number {
    return (this.#load.agents.get(this.#config.agent.name)?.queued ?? 0) + this.#queuedSince;
  }

  /** Spend of today and this month that is settled. */
  get spent(): { day: Spend; month: Spend } {
    return { day: this.#load.day, month: this.#load.month };
  }
}
