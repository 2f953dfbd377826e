import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "./canonical-json.ts";

/** As releases up to 0.1 did it. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
};

test("it is what earlier versions hashed, so that an upgrade rolls no pods", () => {
  const keys = fc.oneof(fc.string(), fc.nat().map(String), fc.constantFrom("__proto__", "01", "4294967295"));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 4 }, fc.jsonValue(), fc.array(tie("tree")), fc.dictionary(keys, tie("tree"))),
  }));
  fc.assert(
    fc.property(tree, (value) => canonicalJson(value) === JSON.stringify(sorted(value))),
    { numRuns: 200 },
  );
});

test("what is undefined is left out, in a list it is null", () => {
  expect(canonicalJson({ b: undefined, a: [undefined, 1] })).toBe('{"a":[null,1]}');
});
