import { InputChecks } from "../../src/runtime/tools/validation.ts";
import type { Target } from "./target.ts";
import { randomJson, randomText } from "./values.ts";

const SCHEMAS: Record<string, unknown>[] = [
  { type: "object", properties: { id: { type: "integer" } }, required: ["id"], additionalProperties: false },
  {
    type: "object",
    properties: {
      name: { type: "string", pattern: "^[a-z]{1,20}$", maxLength: 20 },
      when: { type: "string", format: "date-time" },
      mail: { type: "string", format: "email" },
      url: { type: "string", format: "uri" },
    },
  },
  {
    $defs: { node: { type: "object", properties: { value: {}, next: { $ref: "#/$defs/node" } } } },
    $ref: "#/$defs/node",
  },
  {
    type: "object",
    properties: {
      list: { type: "array", items: { type: "number", minimum: 0 }, maxItems: 10, uniqueItems: true },
      value: { enum: ["a", "b", null, 1] },
    },
  },
  {
    anyOf: [
      { type: "object", required: ["id"] },
      { type: "object", patternProperties: { "^x-": { type: "string" } }, unevaluatedProperties: false },
    ],
  },
  { type: "object", propertyNames: { maxLength: 8 }, minProperties: 1, maxProperties: 3 },
  true as unknown as Record<string, unknown>,
];
const NAMES = ["id", "name", "when", "mail", "url", "value", "next", "list", "x-a", "__proto__"];

/** What a model sends to a tool, against schemas of every kind: either it fits, or the model gets a short sentence. */
export function toolInputTarget(): Target {
  const checks = new InputChecks();
  const compiled = SCHEMAS.filter((it) => typeof it === "object").map((it) => checks.compile(it));
  return {
    name: "tool inputs",
    feed(random) {
      const input = random.next() < 0.9 ? randomJson(random, NAMES) : randomText(random);
      const problem = random.pick(compiled)(input);
      if (({} as Record<string, unknown>)["polluted"] !== undefined || Object.keys(Object.prototype).length > 0)
        throw new Error("the prototype of all objects was changed");
      if (problem === undefined) return "fits";
      if (typeof problem !== "string" || problem.length === 0) throw new Error("refused without a reason");
      return "refused";
    },
    expected: ["fits", "refused"],
    close: () => {},
  };
}
