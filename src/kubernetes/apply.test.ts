import fc from "fast-check";
import { expect, test } from "vitest";
import { applyNeeded, contentHash, covers, settled, withAppliedHash } from "./apply.ts";

const object = (spec: object) => withAppliedHash({ metadata: { name: "x" }, spec });

test("what the server added is no difference", () => {
  const wanted = object({ replicas: 1 });
  const live = { ...wanted, status: {}, spec: { replicas: 1, paused: false } };
  expect(applyNeeded(wanted, live)).toBeUndefined();
});

test("a missing object, a changed wish and drift are told apart", () => {
  const wanted = object({ replicas: 1 });
  expect(applyNeeded(wanted, undefined)).toBe("missing");
  expect(applyNeeded(wanted, object({ replicas: 2 }))).toBe("changed");
  expect(applyNeeded(wanted, { ...wanted, spec: { replicas: 5 } })).toBe("drifted");
});

test("what is left of a settled object tells whether something else is wanted, and keeps its status", () => {
  const wanted = object({ replicas: 1 });
  const rest = settled({ ...wanted, status: { readyReplicas: 1 } });
  expect(rest).toMatchObject({ metadata: wanted.metadata, status: { readyReplicas: 1 } });
  expect(rest).not.toHaveProperty("spec");
  expect(applyNeeded(wanted, rest)).toBeUndefined();
  expect(applyNeeded(object({ replicas: 2 }), rest)).toBe("changed");
  expect(applyNeeded(wanted, { ...rest })).toBeUndefined();
  expect(applyNeeded(wanted, JSON.parse(JSON.stringify(rest)))).toBe("drifted"); // as the API server would give it
});

test("an element added to a list is drift", () => {
  expect(covers({ egress: [{ to: 1 }] }, { egress: [{ to: 1 }, { to: 2 }] })).toBe(false);
});

test("a quantity that the server rewrote is no difference, but only where quantities stand", () => {
  expect(covers({ requests: { cpu: "1000m" } }, { requests: { cpu: "1" } })).toBe(true);
  expect(covers({ limits: { memory: "1024Mi" } }, { limits: { memory: "1Gi" } })).toBe(true);
  expect(covers({ limits: { memory: "1000Mi" } }, { limits: { memory: "1Gi" } })).toBe(false);
  expect(covers({ data: { version: "1000m" } }, { data: { version: "1" } })).toBe(false);
});

test("an empty map or list that the server left out is no difference", () => {
  expect(covers({ podSelector: {}, ingress: [] }, {})).toBe(true);
});

test("every value covers itself, and the hash does not depend on the order of keys", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const wire = JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
      const reversed = Object.fromEntries(Object.entries(wire).toReversed());
      expect(covers(wire, wire)).toBe(true);
      expect(contentHash(reversed)).toBe(contentHash(wire));
    }),
  );
});
