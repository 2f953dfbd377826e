import { setTimeout as sleep } from "node:timers/promises";
import type { Tenant } from "../../api/tenant.ts";
import { DatabaseError } from "../../database/errors.ts";
import { isNothing, type Removed } from "../../database/lifecycle/removed.ts";
import type { EventRecorder } from "../../kubernetes/events.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { DatabaseAccess } from "../databases/database-access.ts";
import type { DatabaseServers } from "../databases/servers.ts";
import { dueAt, type RetentionSchedule } from "./due.ts";
import type { RetentionMetrics } from "./metrics.ts";

/** Tenants of one server that are worked on at once: one that has much to remove does not hold up the others. */
const CONCURRENCY = 2;
const TICK_MS = 1_000;
const NOT_READY_MS = 5_000;
/** Not failures: the tenant is not there yet, or a rollout holds its migrations back. */
const NOT_YET = new Set(["TenantNotProvisioned", "SchemaNotMigrated"]);

export interface RetentionOptions {
  databases: DatabaseServers;
  tenants(): Tenant[];
  schedule: RetentionSchedule;
  events: EventRecorder;
  metrics: RetentionMetrics;
  logger: Logger;
  /** Hears of every run that succeeded. Must not throw. */
  onRun(tenant: string): void;
}

/** What a Tenant's status says of retention. */
export interface RetentionStatus {
  /** RFC 3339, in UTC. */
  lastRunAt: string;
  removed: Removed;
}

interface Known {
  name: string;
  lastRun?: number;
  failedAt?: number;
  removed?: Removed;
}

const isInUse = ({ spec, metadata, status }: Tenant): boolean =>
  !spec.paused && !metadata.deletionTimestamp && status.schema !== undefined;

/** Removes what Tenants do not want kept (`spec.retention`), each about once a day. Only the leader runs it. */
export class RetentionLoop {
  readonly #options: RetentionOptions;
  readonly #known = new Map<string, Known>();
  readonly #underWay = new Map<string, Promise<void>>();
  /** Names of the servers whose tenants' last runs are known. */
  readonly #loaded = new Set<string>();

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** What is known of a tenant's last run; undefined before the first. */
  status(uid: string): RetentionStatus | undefined {
    const { lastRun, removed } = this.#known.get(uid) ?? {};
    if (lastRun === undefined || !removed) return undefined;
    return { lastRunAt: new Date(lastRun).toISOString().replace(/\.\d+Z$/, "Z"), removed };
  }

  /** Works until `signal` aborts, then lets the transactions under way end. @throws when another leader has taken over */
  async run(signal: AbortSignal): Promise<void> {
    const leadingSince = Date.now();
    const failure = new AbortController();
    const until = AbortSignal.any([signal, failure.signal]);
    while (!until.aborted) {
      const servers = this.#options.databases.all();
      const ready = await Promise.all(servers.map((it) => this.#load(it)));
      for (const [index, server] of servers.entries())
        if (ready[index]) this.#startDue(server, leadingSince, until, (error) => failure.abort(error));
      await sleep(ready.some(Boolean) ? TICK_MS : NOT_READY_MS, undefined, { signal: until }).catch(() => {});
    }
    await Promise.all(this.#underWay.values());
    if (failure.signal.aborted) throw failure.signal.reason;
  }

  #startDue(
    server: DatabaseAccess,
    leadingSince: number,
    signal: AbortSignal,
    onStale: (error: unknown) => void,
  ): void {
    const tenants = this.#options.tenants().filter(isInUse);
    this.#forgetAllBut(tenants);
    const here = this.#options.databases.tenantsOn(server.name, tenants);
    let room = CONCURRENCY - here.filter(({ metadata }) => this.#underWay.has(metadata.uid)).length;
    const now = Date.now();
    for (const tenant of here) {
      const { uid, name } = tenant.metadata;
      if (room <= 0) return;
      if (this.#underWay.has(uid)) continue;
      if (now < dueAt(this.#known.get(uid) ?? {}, this.#options.schedule, uid, leadingSince)) continue;
      room--;
      const work = this.#runOne(server, tenant, signal)
        .catch(onStale)
        .finally(() => this.#underWay.delete(uid));
      this.#underWay.set(uid, work);
      if (!this.#known.has(uid)) this.#known.set(uid, { name });
    }
  }

  /** When the tenants' last runs were, from the server's registry: once. */
  async #load(server: DatabaseAccess): Promise<boolean> {
    if (this.#loaded.has(server.name)) return true;
    try {
      const runs = await server.use((database) => database.lifecycle.retentionRuns());
      const names = new Map(this.#options.tenants().map((it) => [it.metadata.uid, it.metadata.name]));
      for (const { uid, at, removed } of runs) {
        const name = names.get(uid);
        if (name === undefined) continue;
        this.#known.set(uid, { name, lastRun: at.getTime(), removed });
        this.#options.metrics.lastSuccess(name, at.getTime());
      }
      this.#loaded.add(server.name);
    } catch (error) {
      // A database that is down shows in the Tenants' conditions.
      this.#options.logger[error instanceof DatabaseError ? "debug" : "warn"]({ err: error }, "retention waits");
    }
    return this.#loaded.has(server.name);
  }

  #forgetAllBut(tenants: Tenant[]): void {
    const uids = new Set(tenants.map((it) => it.metadata.uid));
    for (const [uid, { name }] of this.#known) {
      if (uids.has(uid)) continue;
      this.#known.delete(uid);
      this.#options.metrics.forget(name);
    }
  }

  async #runOne(server: DatabaseAccess, tenant: Tenant, signal: AbortSignal): Promise<void> {
    const { metrics, logger, onRun } = this.#options;
    const { uid, name } = tenant.metadata;
    const began = Date.now();
    try {
      const { at, removed } = await server.use((it, epoch) =>
        it.lifecycle.applyRetention({ uid }, tenant.spec.retention, epoch, signal),
      );
      const seconds = (Date.now() - began) / 1000;
      this.#known.set(uid, { name, lastRun: at.getTime(), removed });
      metrics.succeeded(name, removed, seconds);
      if (!isNothing(removed)) logger.info({ tenant: name, removed, seconds }, "retention removed rows");
      onRun(name);
    } catch (error) {
      if (signal.aborted) return;
      await this.#failed(tenant, error);
    }
  }

  /** @throws when this process leads no more */
  async #failed(tenant: Tenant, error: unknown): Promise<void> {
    const { metrics, logger, events } = this.#options;
    const { uid, name } = tenant.metadata;
    const reason = error instanceof DatabaseError ? error.reason : "Internal";
    if (reason === "StaleEpoch") throw error;
    this.#known.set(uid, { ...this.#known.get(uid), name, failedAt: Date.now() });
    if (NOT_YET.has(reason)) return logger.debug({ tenant: name, err: error }, "retention waits");
    metrics.failed();
    logger.warn({ tenant: name, err: error }, "retention failed; it is tried again");
    const message = error instanceof DatabaseError ? error.message : "see the operator's log";
    await events.record(tenant, "Warning", "RetentionFailed", `rows that are too old were not all removed: ${message}`);
  }
}
