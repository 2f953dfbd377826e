import fc from "fast-check";
import { expect, test } from "vitest";
import type { RolloutState } from "../../database/migration-rollout.ts";
import { afterEvent, backOffMs, rolloutTo, type RolloutEvent } from "./events.ts";
import { allowedFailures } from "./failure-budget.ts";
import {
  admission,
  canaryRing,
  countsAsFailed,
  isBehind,
  type MigratableTenant,
  type RolloutLimits,
  type RolloutPicture,
  TRIES_FOR_A_LOCK,
} from "./rollout.ts";

const TARGET = { version: 3, checksum: "c" };
const aTenant = (n: number, more: Partial<MigratableTenant> = {}): MigratableTenant => ({
  uid: `uid-${n}`,
  name: `tenant-${n}`,
  createdAt: n,
  canary: false,
  version: 2,
  ...more,
});
const aPicture = (tenants: MigratableTenant[], more: Partial<RolloutPicture> = {}): RolloutPicture => ({
  state: rolloutTo(TARGET, undefined),
  tenants,
  active: new Set(),
  limits: { canaries: 1, concurrency: 8, failureBudget: "5%" },
  ...more,
});
const someTenants = (count: number) => Array.from({ length: count }, (_, n) => aTenant(n));
const reasonOf = (picture: RolloutPicture, uid: string, now = 0) => {
  const answer = admission(picture, uid, now);
  return answer.admitted ? "admitted" : answer.reason;
};
const failure = (uid: string, kind: "failed" | "blocked" = "failed"): RolloutEvent => ({
  type: "failed",
  uid,
  kind,
  message: "it broke",
});

/** How a tenant's tries go: how many find a lock, and whether its SQL fails then. */
interface Fate {
  locked: number;
  poison: boolean;
}
const fates = fc.record({ locked: fc.integer({ min: 0, max: 7 }), poison: fc.boolean() });
const worlds = fc.record({
  tenants: fc.array(
    fc.record({ canary: fc.boolean(), version: fc.integer({ min: 1, max: 4 }), createdAt: fc.nat(5), fate: fates }),
    { minLength: 1, maxLength: 30 },
  ),
  limits: fc.record({
    canaries: fc.nat(3),
    concurrency: fc.integer({ min: 1, max: 4 }),
    failureBudget: fc.oneof(
      fc.nat(30),
      fc.integer({ min: 1, max: 100 }).map((it) => `${it}%`),
    ),
  }),
});

/** Lets tenants ask in turn, and the clock go on when none is let through, until nothing can change any more. */
function simulate(
  tenants: MigratableTenant[],
  fateOf: Map<string, Fate>,
  limits: RolloutLimits,
  check: (picture: RolloutPicture, admitted: MigratableTenant) => void,
): RolloutPicture {
  let state: RolloutState = rolloutTo(TARGET, undefined);
  const active = new Set<string>();
  const picture = (): RolloutPicture => ({ state, tenants, active, limits });
  const tries = new Map<string, number>();
  const finish = (tenant: MigratableTenant, now: number) => {
    const { uid } = tenant;
    const count = (tries.get(uid) ?? 0) + 1;
    tries.set(uid, count);
    const { locked, poison } = fateOf.get(uid) as Fate;
    const kind = count <= locked ? "blocked" : poison ? "failed" : undefined;
    if (!kind) tenant.version = TARGET.version;
    const event: RolloutEvent = kind ? failure(uid, kind) : { type: "succeeded", uid };
    state = afterEvent(picture(), event, now);
    active.delete(uid);
  };
  const finishAll = (now: number) => {
    for (const it of tenants) if (active.has(it.uid)) finish(it, now);
  };
  for (let now = 0; now < 20_000_000; now += 60_000) {
    for (const tenant of tenants.filter((it) => isBehind(it, picture()))) {
      if (admission(picture(), tenant.uid, now).admitted) {
        check(picture(), tenant);
        active.add(tenant.uid);
      } else finishAll(now);
    }
    finishAll(now);
  }
  return picture();
}

test("whatever fails, order, concurrency and budget hold, and all others get through unless the rollout pauses", () => {
  fc.assert(
    fc.property(worlds, ({ tenants: shapes, limits }) => {
      const tenants = shapes.map(({ canary, version, createdAt }, n) => aTenant(n, { canary, version, createdAt }));
      const fateOf = new Map(shapes.map(({ fate }, n) => [`uid-${n}`, fate]));
      const end = simulate(tenants, fateOf, limits, (picture, admitted) => {
        const ring = canaryRing(picture);
        expect(picture.active.size).toBeLessThan(limits.concurrency);
        expect(picture.state.paused).toBeUndefined();
        expect(ring.includes(admitted) || ring.every((it) => !isBehind(it, picture))).toBe(true);
      });
      const behind = tenants.filter((it) => isBehind(it, end));
      const counted = Object.values(end.state.failures).filter(countsAsFailed).length;
      const brokenCanary = canaryRing(end).some((it) => end.state.failures[it.uid]);
      const spent = counted > allowedFailures(limits.failureBudget, tenants.length);
      expect(end.state.paused !== undefined).toBe(brokenCanary || spent);
      expect(end.state.paused !== undefined || behind.every((it) => fateOf.get(it.uid)?.poison)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("the labelled canaries go first, and without a label the oldest", () => {
  const tenants = [aTenant(5), aTenant(1), aTenant(3)];
  expect(canaryRing(aPicture(tenants)).map((it) => it.name)).toEqual(["tenant-1"]);
  const labelled = [...tenants, aTenant(9, { canary: true })];
  expect(canaryRing(aPicture(labelled)).map((it) => it.name)).toEqual(["tenant-9"]);
  expect(reasonOf(aPicture(labelled), "uid-1")).toBe("WaitingForCanary");
  expect(reasonOf(aPicture(labelled), "uid-9")).toBe("admitted");
});

test("the oldest are the same whatever order the tenants are listed in", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3), { maxLength: 12 }), fc.nat(5), (ages, canaries) => {
      const tenants = ages.map((createdAt, n) => aTenant(n, { createdAt }));
      const limits = { canaries, concurrency: 1, failureBudget: 0 };
      const sorted = tenants.toSorted((a, b) => a.createdAt - b.createdAt || (a.uid < b.uid ? -1 : 1));
      expect(canaryRing(aPicture(tenants, { limits }))).toEqual(sorted.slice(0, canaries));
      expect(canaryRing(aPicture(tenants.toReversed(), { limits }))).toEqual(sorted.slice(0, canaries));
    }),
  );
});

test("a canary that fails pauses the rollout, and one that is locked out only after several tries", () => {
  const picture = aPicture(someTenants(5));
  expect(afterEvent(picture, failure("uid-0"), 0).paused?.reason).toBe("CanaryFailed");
  let { state } = picture;
  for (let tries = 1; tries <= TRIES_FOR_A_LOCK; tries++) {
    expect(state.paused).toBeUndefined();
    state = afterEvent({ ...picture, state }, failure("uid-0", "blocked"), 0);
  }
  expect(state.paused?.reason).toBe("CanaryFailed");
});

test("the failure budget is a number or a percentage, which bears at least one", () => {
  expect(allowedFailures(0, 1000)).toBe(0);
  expect(allowedFailures("5%", 1000)).toBe(50);
  expect(allowedFailures("5%", 3)).toBe(1);
});

test("what failed is not tried before its time, nor while the rollout is paused", () => {
  const picture = aPicture(someTenants(60).map((it) => (it.uid === "uid-0" ? { ...it, version: 3 } : it)));
  const state = afterEvent(picture, failure("uid-7"), 1000);
  const retryAt = 1000 + backOffMs("failed", 1);
  expect(admission({ ...picture, state }, "uid-7", 1000)).toMatchObject({
    reason: "MigrationFailed",
    retryAfterMs: retryAt - 1000,
  });
  expect(reasonOf({ ...picture, state }, "uid-7", retryAt)).toBe("admitted");
  const paused = afterEvent({ ...picture, state }, { type: "pausedByHand" }, 1000);
  expect(reasonOf({ ...picture, state: paused }, "uid-7", retryAt)).toBe("MigrationFailed");
  expect(reasonOf({ ...picture, state: paused }, "uid-8", retryAt)).toBe("RolloutPaused");
  const resumed = afterEvent({ ...picture, state: paused }, { type: "resumed" }, 1000);
  expect(reasonOf({ ...picture, state: resumed }, "uid-7", 1000)).toBe("admitted");
});

test("a new target starts a new rollout: failures and their pause are over, a pause by hand holds", () => {
  const picture = aPicture(someTenants(3));
  const failed = afterEvent(picture, failure("uid-0"), 0);
  const next = { version: 3, checksum: "rewritten" };
  expect(rolloutTo(TARGET, failed)).toBe(failed);
  expect(rolloutTo(next, failed)).toEqual({ target: next, paused: undefined, failures: {} });
  const byHand = afterEvent(picture, { type: "pausedByHand" }, 0);
  expect(rolloutTo(next, byHand)).toEqual({ target: next, paused: byHand.paused, failures: {} });
});
