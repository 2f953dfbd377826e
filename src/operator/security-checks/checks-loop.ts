import { setTimeout as sleep } from "node:timers/promises";
import type { SecurityCheck } from "../../api/security-checks.ts";
import type { Tenant } from "../../api/tenant.ts";
import { DatabaseError } from "../../database/errors.ts";
import type { EventRecorder } from "../../kubernetes/events.ts";
import type { Logger } from "../../telemetry/log.ts";
import { decideChecks } from "./checks/index.ts";
import { type CheckSchedule, dueAt } from "./due.ts";
import { gather, type GatherDependencies } from "./gather.ts";
import { isUnseen, type Observation } from "./observation.ts";
import { newlyFailed, renewRows } from "./renew.ts";

const TICK_MS = 1_000;

export interface ChecksLoopOptions extends GatherDependencies {
  schedule: CheckSchedule;
  /** Between two logins as a tenant, in milliseconds. */
  loginMs: number;
  events: EventRecorder;
  logger: Logger;
  /** Whether reconciles wait: checks do not compete with them for longer than an interval. */
  busy(): boolean;
  /** The Tenant's status has to be written. Must not throw. */
  onChange(tenant: string): void;
}

interface Known {
  seenAt: number;
  lookedAt?: number;
  /** What the last look found and the Tenant's status does not say yet. */
  rows?: SecurityCheck[];
  probe?: { at: number; result: Observation["probe"] };
  /** Where the next round over old rows of the audit log begins. */
  patrol?: number;
}

const isInUse = ({ spec, metadata, status }: Tenant): boolean =>
  !spec.paused && !metadata.deletionTimestamp && status.schemaVersion !== undefined;

/** Proves again and again what `status.securityChecks` says, one tenant at a time, beside the reconciles. Only the leader runs it. */
export class ChecksLoop {
  readonly #options: ChecksLoopOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: ChecksLoopOptions) {
    this.#options = options;
  }

  /** The rows that the Tenant's status should have, where the last look found others than it has. */
  rows(uid: string): SecurityCheck[] | undefined {
    return this.#known.get(uid)?.rows;
  }

  /** Works until `signal` aborts. @throws when another leader has taken over */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const due = this.#due();
      if (due) await this.#look(due, signal);
      else await sleep(TICK_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** The tenant whose look is due longest; undefined when none is, or while there is something better to do. */
  #due(): Tenant | undefined {
    const now = Date.now();
    const tenants = this.#options.caches.tenants.list().filter(isInUse);
    this.#forgetAllBut(tenants);
    const { schedule } = this.#options;
    const late = tenants
      .map((tenant) => {
        const { uid } = tenant.metadata;
        const known = this.#known.get(uid) ?? { seenAt: now };
        this.#known.set(uid, known);
        const hasRows = tenant.status.securityChecks !== undefined;
        return { tenant, at: dueAt({ uid, hasRows, lookedAt: undefined, ...known }, schedule) };
      })
      .filter(({ at }) => at <= now)
      .sort((a, b) => a.at - b.at)[0];
    if (!late || (this.#options.busy() && now < late.at + schedule.intervalMs)) return undefined;
    return late.tenant;
  }

  #forgetAllBut(tenants: readonly Tenant[]): void {
    if (tenants.length === this.#known.size) return;
    const uids = new Set(tenants.map((it) => it.metadata.uid));
    for (const uid of this.#known.keys()) if (!uids.has(uid)) this.#known.delete(uid);
  }

  async #look(tenant: Tenant, signal: AbortSignal): Promise<void> {
    const { uid, name } = tenant.metadata;
    const known = this.#known.get(uid);
    if (!known) return;
    known.lookedAt = Date.now();
    try {
      const rows = known.rows ?? tenant.status.securityChecks ?? [];
      const isBroken = rows.some((it) => it.name === "AuditIntact" && it.status === "Failed");
      const before = { probe: this.#recentProbe(known), audit: { isBroken, next: known.patrol ?? 0 } };
      const observed = await gather(this.#options, tenant, before, signal);
      if (!isUnseen(observed.audit)) known.patrol = observed.audit.next;
      if (known.probe?.result !== observed.probe) known.probe = { at: Date.now(), result: observed.probe };
      await this.#judge(tenant, known, observed);
    } catch (error) {
      if (error instanceof DatabaseError && error.reason === "StaleEpoch") throw error;
      this.#options.logger.warn({ tenant: name, err: error }, "the security checks could not be made");
    }
  }

  #recentProbe({ probe }: Known): Observation["probe"] | undefined {
    if (!probe || "unseen" in probe.result || Date.now() - probe.at >= this.#options.loginMs) return undefined;
    return probe.result;
  }

  async #judge(tenant: Tenant, known: Known, observed: Observation): Promise<void> {
    const before = known.rows ?? tenant.status.securityChecks ?? [];
    const rows = renewRows(before, decideChecks(observed), observed.now);
    const isWritten = JSON.stringify(rows) === JSON.stringify(tenant.status.securityChecks);
    if (isWritten) delete known.rows;
    else known.rows = rows;
    if (!isWritten) this.#options.onChange(tenant.metadata.name);
    for (const { name, reason, message } of newlyFailed(before, rows))
      await this.#options.events.record(tenant, "Warning", "SecurityCheckFailed", `${name} (${reason}): ${message}`);
  }
}
