import fc from "fast-check";
import { expect, test } from "vitest";
import { type Login, otherLogin, type Rotation } from "../registry.ts";
import { type CredentialsStep, nextStep, publishedLogin, type Situation } from "./decide.ts";
import { judgeDrain } from "./drain.ts";
import { dueReason } from "./due.ts";

const at = new Date(0);
const rotation = (step: Rotation["step"]): Rotation => ({ step, reason: "Requested", startedAt: at, stepAt: at });
const record = (more: Partial<Situation["record"]> = {}): Situation["record"] => ({
  activeLogin: "a",
  credentialsRevision: "a-1",
  rotation: undefined,
  ...more,
});
const published = (login: Login, n: number, accepted = true) => ({ login, revision: `${login}-${n}`, accepted });
const step = (more: Partial<Situation>) =>
  nextStep({ record: record(), published: published("a", 1), due: undefined, drained: false, ...more }).kind;

test("at rest, what is published and works is kept until it is due", () => {
  expect(step({})).toBe("keep");
  expect(step({ due: "Scheduled" })).toBe("open");
});

test("what was never published is set at once; what is lost is replaced over the other login", () => {
  const never = record({ credentialsRevision: undefined });
  expect(step({ record: never, published: undefined })).toBe("setFirst");
  expect(step({ record: never })).toBe("note");
  expect(step({ published: undefined })).toBe("open");
  expect(step({ published: published("a", 2) })).toBe("open");
  expect(step({ published: published("b", 1) })).toBe("open");
});

test("a password that was changed in Postgres is set back, one that was changed in the Secret is not", () => {
  expect(step({ published: published("a", 1, false) })).toBe("restore");
  expect(step({ published: published("a", 2, false) })).toBe("open");
});

test("a rotation goes from login to login", () => {
  const opening = record({ rotation: rotation("opening"), credentialsRevision: "b-2" });
  const draining = record({ rotation: rotation("draining"), credentialsRevision: "b-2" });
  const closing = record({ rotation: rotation("closing"), credentialsRevision: "b-2", activeLogin: "b" });
  expect(step({ record: opening })).toBe("replace");
  expect(step({ record: opening, published: published("b", 2) })).toBe("drain");
  expect(step({ record: draining, published: published("b", 2) })).toBe("wait");
  expect(step({ record: draining, published: published("b", 2), drained: true })).toBe("close");
  expect(step({ record: draining, published: undefined })).toBe("replace");
  expect(step({ record: closing, published: published("b", 2) })).toBe("finish");
});

const situations = fc.record({
  record: fc.record({
    activeLogin: fc.constantFrom<Login>("a", "b"),
    credentialsRevision: fc.constantFrom(undefined, "a-1", "b-1"),
    rotation: fc.constantFrom(undefined, rotation("opening"), rotation("draining"), rotation("closing")),
  }),
  published: fc.option(
    fc.record({
      login: fc.constantFrom<Login>("a", "b"),
      revision: fc.constantFrom("a-1", "b-1", "a-2"),
      accepted: fc.boolean(),
    }),
    { nil: undefined },
  ),
  due: fc.constantFrom(undefined, "Scheduled" as const, "Requested" as const),
  drained: fc.boolean(),
});

test("the login that pods have from before is given no other password, whatever happened", () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const { credentialsRevision, rotation: under, activeLogin } = situation.record;
      const allowed: Partial<Record<CredentialsStep["kind"], boolean>> = {
        setFirst: credentialsRevision === undefined && under === undefined,
        open: under === undefined,
        replace: publishedLogin(situation.record) === otherLogin(activeLogin),
        close: under?.step === "draining" && situation.drained,
      };
      expect(allowed[nextStep(situation).kind] ?? true).toBe(true);
    }),
  );
});

const limits = { stuckSeconds: 600, graceSeconds: 900, quietSeconds: 120, startSeconds: 120 };
const nobody = { behind: [], silent: [], sessions: { working: 0, idle: 0, quiet: 3 }, seconds: 1 };

test("quiet connections are waited for by nobody, idle and working ones within the grace, pods without end", () => {
  const done = (more: object) => judgeDrain({ ...nobody, ...more }, limits).done;
  expect(done({})).toBe(true);
  const busy = { working: 1, idle: 1, quiet: 0 };
  expect([done({ sessions: busy }), done({ sessions: busy, seconds: 901 })]).toEqual([false, true]);
  expect([done({ silent: ["p"] }), done({ silent: ["p"], seconds: 121 })]).toEqual([false, true]);
  expect([done({ behind: ["p"] }), done({ behind: ["p"], seconds: 1e9 })]).toEqual([false, false]);
});

test("many pods are named by the first three", () => {
  const verdict = judgeDrain({ ...nobody, behind: ["p1", "p2", "p3", "p4", "p5"] }, limits);
  expect(verdict).toMatchObject({ stuck: false, waitingFor: expect.stringContaining("p1, p2, p3 and 2 more") });
});

test("a rotation is due by a new request, or by age", () => {
  const day = 24 * 60 * 60 * 1000;
  const wish = { requested: undefined, maxAgeDays: 30 };
  const due = (requested: string | undefined, met: string | undefined, ageDays: number) =>
    dueReason(
      { passwordChangedAt: new Date(100 * day - ageDays * day), rotationRequest: met },
      { ...wish, requested },
      new Date(100 * day),
    );
  expect(due(undefined, undefined, 29)).toBeUndefined();
  expect(due(undefined, "old", 30)).toBe("Scheduled");
  expect(due("one", undefined, 0)).toBe("Requested");
  expect(due("one", "one", 0)).toBeUndefined();
  expect(due("", undefined, 0)).toBe("Requested");
});
