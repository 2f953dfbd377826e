import { COMFORTABLE_SHARE, fairShare, LEAST_SHARE } from "../api/connection-share.ts";
import { type ConnectionLoad, connectionLoad } from "../database/runs/connection-load.ts";
import type { AgentDatabase } from "../database/runs/database.ts";
import type { Logger } from "../telemetry/log.ts";

interface PoolSize {
  max: number;
  min: number;
  /** How long an idle connection is kept, in milliseconds, where that is shorter than usual. */
  idleMs?: number;
}

export interface Share {
  /** The pool of the runs. */
  runs: PoolSize;
  /** The pool of the `sql` tools. */
  tools: PoolSize;
  /** Whether there is a connection for LISTEN too. */
  listen: boolean;
}

/** Where there are not even these, a connection goes to whoever needs it: nobody keeps one. In milliseconds. */
const SCARCE_IDLE_MS = 250;

/** This process' part of what all of the tenant's may have together. Pure. */
export function shareOf(wanted: PoolSize, { limit, workers }: ConnectionLoad): Share {
  const fair = limit === undefined ? wanted.max : fairShare(limit, workers);
  if (fair < LEAST_SHARE) {
    const one = { max: 1, min: 0, idleMs: SCARCE_IDLE_MS };
    return { runs: one, tools: one, listen: false };
  }
  const all = Math.min(wanted.max, fair);
  const listen = all >= COMFORTABLE_SHARE;
  const tools = Math.max(1, Math.floor(all / 4));
  const runs = all - tools - (listen ? 1 : 0);
  return { runs: { max: runs, min: Math.min(wanted.min, runs) }, tools: { max: tools, min: 0 }, listen };
}

/** Keeps the pools of this process at their share of the login's connections, as pods come and go. */
export class ConnectionShare {
  readonly #wanted: PoolSize;
  readonly #db: AgentDatabase;
  readonly #toolDb: AgentDatabase;
  readonly #log: Logger;
  #share: Share | undefined;
  /** Called when {@link listen} changed. */
  onListenChanged: () => void = () => {};

  constructor(wanted: PoolSize, db: AgentDatabase, toolDb: AgentDatabase, log: Logger) {
    this.#wanted = wanted;
    this.#db = db;
    this.#toolDb = toolDb;
    this.#log = log;
  }

  /** Whether this process should listen for wake-ups. A pooler in transaction mode delivers none. */
  get listen(): boolean {
    return (this.#share?.listen ?? false) && !this.#isPooled;
  }

  get #isPooled(): boolean {
    return this.#db.settings.pooler !== undefined;
  }

  /** @param counted whether this process is among the workers in the database yet */
  async refresh(counted: boolean): Promise<void> {
    const load = await this.#load(counted);
    const before = this.#share;
    const share = shareOf(this.#wanted, load);
    this.#share = share;
    if (!share.listen && before?.listen !== false) this.#log.warn(load, TIGHT);
    if (before && before.listen !== share.listen) this.onListenChanged();
    await this.#db.resize(share.runs);
    await this.#toolDb.resize(share.tools);
  }

  /** Behind a pooler the login's limit is the pooler's business: it queues. */
  async #load(counted: boolean): Promise<ConnectionLoad> {
    if (this.#isPooled) return { limit: undefined, workers: 1 };
    const { limit, workers } = await connectionLoad(this.#db);
    return { limit, workers: counted ? workers : workers + 1 };
  }
}

const TIGHT =
  "the login's connection limit leaves this pod few connections, and none for wake-ups: raise spec.database.connectionLimit of the Tenant (about 5 for each pod), or AGENTPG_POOL_MAX where that is below 4";
