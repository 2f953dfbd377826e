import { DatabaseBusy, DatabaseError, DatabaseOutage, StaleEpoch } from "../../database/errors.ts";
import type { RolloutState, TenantFailure } from "../../database/migration-rollout.ts";
import type { EnsuredTenant, MigrationGate, TenantDatabase, TenantRequest } from "../../database/tenants.ts";
import type { Logger } from "../../telemetry/log.ts";
import { afterEvent, rolloutTo, type RolloutEvent } from "./events.ts";
import type { RolloutMetrics } from "./metrics.ts";
import { summarise } from "./summary.ts";
import {
  admission,
  type MigratableTenant,
  type Refusal,
  ringBehind,
  refusalOfFailed,
  type RolloutLimits,
  type RolloutPicture,
} from "./rollout.ts";

/** A Tenant as the API server has it. */
export type KnownTenant = Omit<MigratableTenant, "version">;

export interface CoordinatorOptions {
  limits: RolloutLimits;
  /** The server's Tenants that are reconciled: not paused and not being deleted. Must not throw. */
  tenants: () => readonly KnownTenant[];
  /** Has the Tenant of this name reconciled soon. Must not throw. */
  wake: (name: string) => void;
  logger: Logger;
  metrics: RolloutMetrics;
  /** Milliseconds since 1970. */
  now?: () => number;
}

export interface CoordinatedTenant {
  ensured: EnsuredTenant;
  /** Why its migrations are not current; undefined when they are. */
  refusal: Refusal | undefined;
}

/**
 * Lets the tenants' migrations through in the order of the rollout, and remembers what became of them. One for each
 * process and database server; only the leader's is asked. The decisions are in `rollout.ts` and `events.ts`.
 */
export class MigrationCoordinator {
  readonly #options: CoordinatorOptions;
  readonly #now: () => number;
  readonly #versions = new Map<string, number>();
  readonly #active = new Set<string>();
  /** Who was told to wait, by UID. */
  readonly #waiting = new Map<string, { name: string; reason: Refusal["reason"] }>();
  #state: RolloutState | undefined;
  #learning: Promise<void> | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    options.metrics.observe(() => this.#state && this.#picture(this.#state));
  }

  /** As {@link TenantDatabase.ensure}, with migrations when it is the tenant's turn. One that fails leaves the tenant ensured as it was. */
  async ensure(database: TenantDatabase, epoch: number, request: TenantRequest): Promise<CoordinatedTenant> {
    const { uid, name } = request;
    await this.learn(database);
    let refusal: Refusal | undefined;
    const gate = ({ from }: { from: number }) => {
      this.#versions.set(uid, from);
      const answer = this.#ask(uid, name);
      refusal = answer;
      return answer === undefined;
    };
    const finished = this.#options.metrics.startMigration();
    try {
      const { ensured, failure } = await this.#attempt(database, epoch, request, gate);
      this.#versions.set(uid, ensured.migrations.to);
      if (failure) {
        const kind = failure instanceof DatabaseBusy ? "blocked" : "failed";
        finished(kind);
        return { ensured, refusal: await this.#failed(database, epoch, uid, kind, failure.message) };
      }
      if (ensured.migrations.pending > 0) return { ensured, refusal };
      if (this.#active.has(uid)) finished("succeeded");
      await this.#happened(database, epoch, { type: "succeeded", uid });
      return { ensured, refusal: undefined };
    } finally {
      if (this.#active.delete(uid)) this.#wakeThoseConcerned();
    }
  }

  async #attempt(database: TenantDatabase, epoch: number, request: TenantRequest, gate: MigrationGate) {
    try {
      return { ensured: await database.ensure(request, epoch, gate) };
    } catch (error) {
      if (!this.#active.has(request.uid) || !mayBeTheMigration(error)) throw error;
      // If it fails without the migration too, then that is not what failed.
      return { ensured: await database.ensure(request, epoch, () => false), failure: error };
    }
  }

  async #failed(
    database: TenantDatabase,
    epoch: number,
    uid: string,
    kind: TenantFailure["kind"],
    message: string,
  ): Promise<Refusal | undefined> {
    const state = await this.#happened(database, epoch, { type: "failed", uid, kind, message });
    const failure = state.failures[uid];
    return failure && refusalOfFailed(failure, state, this.#now());
  }

  /** Reads where the tenants are, once. Others' writes are refused by the epoch, so it stays true. */
  learn(database: TenantDatabase): Promise<void> {
    this.#learning ??= this.#learn(database).catch((error: unknown) => {
      this.#learning = undefined;
      throw error;
    });
    return this.#learning;
  }

  /** Starts no more migrations until {@link resume}; those under way end. */
  pause(database: TenantDatabase, epoch: number): Promise<void> {
    return this.#byHand(database, epoch, { type: "pausedByHand" });
  }

  /** Goes on, with what failed too, and with a whole failure budget. */
  resume(database: TenantDatabase, epoch: number): Promise<void> {
    return this.#byHand(database, epoch, { type: "resumed" });
  }

  async picture(database: TenantDatabase): Promise<RolloutPicture> {
    await this.learn(database);
    return this.#picture(this.#known());
  }

  async #learn({ migrations }: TenantDatabase): Promise<void> {
    const [versions, stored] = await Promise.all([migrations.versions(), migrations.load()]);
    for (const [uid, version] of versions) this.#versions.set(uid, version);
    this.#state = rolloutTo(migrations.target, stored);
    const { phase, target, tenants } = summarise(this.#picture(this.#state));
    if (phase !== "complete")
      this.#options.logger.info({ phase, target, tenants }, "a rollout of migrations is under way");
  }

  #known(): RolloutState {
    if (!this.#state) throw new Error("the rollout is asked before it has learned");
    return this.#state;
  }

  #picture(state: RolloutState): RolloutPicture {
    const tenants = this.#options.tenants().flatMap((it) => {
      const version = this.#versions.get(it.uid) ?? 0;
      return version > 0 ? [{ ...it, version }] : [];
    });
    return { state, tenants, active: this.#active, limits: this.#options.limits };
  }

  /** Why the tenant may not be migrated now; undefined: it may, and counts as being migrated. */
  #ask(uid: string, name: string): Refusal | undefined {
    const answer = admission(this.#picture(this.#known()), uid, this.#now());
    this.#waiting.delete(uid);
    if (answer.admitted) this.#active.add(uid);
    else this.#waiting.set(uid, { name, reason: answer.reason });
    return answer.admitted ? undefined : answer;
  }

  async #byHand(database: TenantDatabase, epoch: number, event: RolloutEvent): Promise<void> {
    await this.learn(database);
    const failed = this.#known().failures;
    await this.#happened(database, epoch, event);
    for (const { uid, name } of this.#picture(this.#known()).tenants)
      if (uid in failed && !(uid in this.#known().failures)) this.#options.wake(name);
    this.#wakeThoseConcerned();
  }

  async #happened(database: TenantDatabase, epoch: number, event: RolloutEvent): Promise<RolloutState> {
    const before = this.#known();
    if (event.type === "succeeded" && !(event.uid in before.failures)) return before; // what nearly every look brings
    const state = afterEvent(this.#picture(before), event, this.#now());
    if (state === before) return state;
    this.#state = state;
    if (state.paused && !before.paused)
      this.#options.logger.error({ reason: state.paused.reason }, state.paused.message);
    if (!state.paused && before.paused) this.#options.logger.info("the migration rollout goes on");
    // One after another, each with what is true by then: an older picture never overwrites a newer one.
    const save = this.#saving.then(() => database.migrations.save(this.#known(), epoch));
    this.#saving = save.catch(() => {});
    await save;
    return state;
  }

  /** Wakes those whose turn it is now, and those whose condition says something that is over. */
  #wakeThoseConcerned(): void {
    if (this.#waiting.size === 0 || !this.#state) return;
    const picture = this.#picture(this.#state);
    const behind = ringBehind(picture);
    let free = picture.limits.concurrency - this.#active.size;
    for (const [uid, { name, reason }] of this.#waiting) {
      const outdated = (reason === "RolloutPaused") !== (picture.state.paused !== undefined);
      if (!outdated && (free <= 0 || !admission(picture, uid, this.#now(), behind).admitted)) continue;
      free--;
      this.#waiting.delete(uid);
      this.#options.wake(name);
    }
  }
}

/** Neither the server's state nor the leadership: what is wrong with those is not the tenant's fault. A lock may be. */
const mayBeTheMigration = (error: unknown): error is DatabaseError =>
  error instanceof DatabaseBusy ||
  (error instanceof DatabaseError && !(error instanceof DatabaseOutage) && !(error instanceof StaleEpoch));
