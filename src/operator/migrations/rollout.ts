import type { RolloutState, TenantFailure } from "../../database/migration-rollout.ts";
import type { FailureBudget } from "./failure-budget.ts";

// Terms: a *rollout* brings all schemas to the newest migration that the program knows. The *ring* is the canaries: the
// tenants that go first. A tenant is *behind* while its schema has fewer migrations than the target.

export interface RolloutLimits {
  /** Size of the ring where no Tenant is labelled as a canary. */
  canaries: number;
  /** Tenants that are migrated at once. */
  concurrency: number;
  failureBudget: FailureBudget;
}

/** A Tenant that has a schema and can be worked on. */
export interface MigratableTenant {
  uid: string;
  name: string;
  /** Milliseconds since 1970. */
  createdAt: number;
  /** Labelled `agentpg.dev/canary=true`. */
  canary: boolean;
  /** The migration that its schema is at, from 1. */
  version: number;
}

/** All that a decision rests on. */
export interface RolloutPicture {
  state: RolloutState;
  tenants: readonly MigratableTenant[];
  /** UIDs of those that are being migrated. */
  active: ReadonlySet<string>;
  limits: RolloutLimits;
}

export type Refusal = {
  admitted: false;
  reason: "MigrationFailed" | "MigrationBlocked" | "RolloutPaused" | "WaitingForCanary" | "WaitingForTurn";
  /** For the condition: what it waits for, and what to do. */
  message: string;
  /** When it is worth asking again; left out: when something happens. */
  retryAfterMs?: number;
};
export type Admission = { admitted: true } | Refusal;

/** Blocked this often, a tenant counts as failed: until then the lock's holder gets the benefit of the doubt. */
export const TRIES_FOR_A_LOCK = 5;

export const isBehind = (tenant: MigratableTenant, { state }: Pick<RolloutPicture, "state">): boolean =>
  tenant.version < state.target.version;

export const countsAsFailed = ({ kind, attempts }: TenantFailure): boolean =>
  kind === "failed" || attempts >= TRIES_FOR_A_LOCK;

/** The Tenants labelled as canaries, else the oldest. */
export function canaryRing({ tenants, limits }: RolloutPicture): MigratableTenant[] {
  const labelled = tenants.filter((it) => it.canary);
  if (labelled.length > 0) return labelled;
  const oldest: MigratableTenant[] = [];
  for (const tenant of tenants) {
    const last = oldest.at(-1);
    if (oldest.length === limits.canaries && (!last || isOlder(last, tenant))) continue;
    oldest.push(tenant);
    oldest.sort((a, b) => (isOlder(a, b) ? -1 : 1));
    if (oldest.length > limits.canaries) oldest.pop();
  }
  return oldest;
}

const isOlder = (a: MigratableTenant, b: MigratableTenant): boolean =>
  a.createdAt === b.createdAt ? a.uid < b.uid : a.createdAt < b.createdAt;

/** The canaries that everybody else waits for. */
export const ringBehind = (picture: RolloutPicture): MigratableTenant[] =>
  canaryRing(picture).filter((it) => isBehind(it, picture));

/**
 * Whether this tenant, which is behind, may be migrated now. Pure.
 * @param now milliseconds since 1970
 * @param behind of this picture; given by who asks for many tenants
 */
export function admission(
  picture: RolloutPicture,
  uid: string,
  now: number,
  behind: readonly MigratableTenant[] = ringBehind(picture),
): Admission {
  const { state, active, limits } = picture;
  if (active.has(uid)) return { admitted: true };
  const failure = state.failures[uid];
  if (failure && (state.paused || now < failure.retryAt)) return refusalOfFailed(failure, state, now);
  if (state.paused) return refused("RolloutPaused", state.paused.message);
  if (behind.length > 0 && !behind.some((it) => it.uid === uid)) {
    const names = behind.slice(0, 5).map((it) => it.name);
    return refused(
      "WaitingForCanary",
      `the canaries go first; not at migration ${state.target.version} yet: ${names.join(", ")}${behind.length > 5 ? ", …" : ""}. This schema serves as it is`,
    );
  }
  if (active.size >= limits.concurrency)
    return refused(
      "WaitingForTurn",
      `${limits.concurrency} tenants are being migrated; this one follows. Its schema serves as it is`,
    );
  return { admitted: true };
}

const refused = (reason: Refusal["reason"], message: string): Refusal => ({ admitted: false, reason, message });

/** What the condition of a tenant says whose migration went wrong and is not tried at this moment. */
export function refusalOfFailed(failure: TenantFailure, { paused }: RolloutState, now: number): Refusal {
  const reason = failure.kind === "failed" ? "MigrationFailed" : "MigrationBlocked";
  if (paused) return refused(reason, `${failure.message}; not tried again while the rollout is paused`);
  const retryAfterMs = Math.max(0, failure.retryAt - now);
  return { ...refused(reason, `${failure.message}; tried again by itself, ever less often`), retryAfterMs };
}
