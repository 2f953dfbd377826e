import { expect, test } from "vitest";
import { searchingPattern } from "../../api/linear-pattern.ts";
import { InputChecks } from "./validation.ts";

test("a schema that asks for a check in the background is checked at once all the same", () => {
  const check = new InputChecks().compile({ $async: true, type: "object", properties: { a: { type: "string" } } });
  expect(check({ a: 1 })).toBe("a must be string");
  expect(check({ a: "x" })).toBeUndefined();
});

test("a schema that refers to itself without an end is told, and ends nothing", () => {
  const check = new InputChecks().compile({ $ref: "#/$defs/a", $defs: { a: { allOf: [{ $ref: "#/$defs/a" }] } } });
  expect(check({})).toContain("could not be checked");
});

test("a stranger's schema that doubles its work with each reference is refused", () => {
  const $defs = Object.fromEntries(
    Array.from({ length: 26 }, (_, i) => [
      `d${i}`,
      { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] },
    ]),
  );
  const schema = { $ref: "#/$defs/d0", $defs: { ...$defs, d26: { type: "object" } } };
  expect(() => new InputChecks(searchingPattern).compile(schema)).toThrow(/more than 32 references/);
});
