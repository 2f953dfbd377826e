import { expect, test } from "vitest";
import type { Condition } from "../../../api/resource.ts";
import { networkOutcome } from "./outcome.ts";
import { type Dialled, verdict } from "./verdict.ts";

const yes = "connected";
const no = "unreachable";
const CONFIG = {
  enabled: true,
  namespace: "n",
  firstAfterSeconds: 0,
  intervalSeconds: 60,
  timeoutSeconds: 60,
  required: false,
};
const REQUIRED = { ...CONFIG, required: true };

const CASES: [string, Dialled, Dialled, string, RegExp][] = [
  ["both ways are stopped", { open: yes, closed: no }, { open: no }, "Enforced", /both ways/],
  ["none is", { open: yes, closed: yes }, { open: yes }, "NotEnforced", /into a pod.*out of a pod/],
  [
    "only the way out is",
    { open: yes, closed: yes },
    { open: no },
    "NotEnforced",
    /^packets went into a pod that lets nobody in, against/,
  ],
  ["only the way in is", { open: yes, closed: no }, { open: yes }, "NotEnforced", /^packets went out of a pod/],
  ["nothing passes at all", { open: no, closed: no }, { open: no }, "NotProbed", /no policy is in the way/],
  ["nothing was said", {}, {}, "NotProbed", /no policy is in the way/],
];
test.each(CASES)("when %s, the verdict says so", (_what, free, confined, state, message) => {
  expect(verdict(free, confined)).toEqual({ state, message: expect.stringMatching(message) as string });
});

const enforced = verdict({ open: yes, closed: no }, { open: no });
const ignored = verdict({ open: yes, closed: yes }, { open: yes });
const condition = (status: Condition["status"], reason: string): Condition => ({
  type: "NetworkReady",
  status,
  reason,
  message: "what was seen",
  lastTransitionTime: "2026-01-01T00:00:00Z",
});

test("a cluster that enforces is ready; one that ignores policies is told what to do, and keeps no tenant from serving", () => {
  expect(networkOutcome(enforced, undefined, CONFIG)).toMatchObject({ status: "True", reason: "Enforced" });
  expect(networkOutcome(ignored, undefined, CONFIG)).toMatchObject({
    status: "False",
    reason: "NotEnforced",
    message: expect.stringContaining("use a network plugin that enforces NetworkPolicy") as string,
    tolerable: true,
  });
});

test("where it is required, a tenant waits for enforcement, and for the probe", () => {
  expect(networkOutcome(ignored, undefined, REQUIRED).tolerable).toBe(false);
  expect(networkOutcome(undefined, undefined, REQUIRED)).toMatchObject({ status: "Unknown", reason: "NotProbed" });
  expect(networkOutcome(undefined, condition("False", "NotEnforced"), REQUIRED).tolerable).toBe(false);
});

test("what an earlier process saw stands until this one has looked: a restart writes nothing", () => {
  expect(networkOutcome(undefined, condition("True", "Enforced"), CONFIG)).toMatchObject({
    status: "True",
    reason: "Enforced",
    message: "what was seen",
  });
  expect(networkOutcome(ignored, condition("True", "Enforced"), CONFIG).reason).toBe("NotEnforced");
  expect(networkOutcome(undefined, condition("False", "ForeignObject"), CONFIG).reason).toBe("NotProbed");
  expect(networkOutcome(undefined, condition("True", "Enforced"), { ...CONFIG, enabled: false }).reason).toBe(
    "NotProbed",
  );
});
