import { describe, expect, it } from "vitest";
import { Definitions } from "./definition.ts";

const checkOf = (schema: object) =>
  new Definitions().make({ name: "a", inputSchema: { type: "object", ...schema } }, "wiki_a", "ours").check;
const patterned = (...patterns: string[]) =>
  checkOf({ properties: Object.fromEntries(patterns.map((pattern, i) => [`p${i}`, { type: "string", pattern }])) });

describe("a pattern of a stranger's schema", () => {
  it("is matched, each by itself", () => {
    const check = patterned("^[a-z]+$", "^[0-9]+$");
    expect(check({ p0: "abc", p1: "123" })).toBeUndefined();
    expect(check({ p0: "123" })).toContain("p0 must match pattern");
    expect(check({ p1: "abc" })).toContain("p1 must match pattern");
  });
  it("cannot hold the process up", () => {
    const check = patterned("^(a+)+$", "^(?=(a+)+$)", "(a*)*b");
    const input = `${"a".repeat(50_000)}!`;
    const start = performance.now();
    expect(check({ p0: input, p1: input, p2: input })).toContain("p0 must match pattern");
    expect(performance.now() - start).toBeLessThan(5000);
  });
  it.each([
    ["takes more than linear time", "^.{1,64}$", "x".repeat(65)],
    ["speaks of Unicode classes", "^\\p{L}+$", "1"],
  ])("is left to the server when it %s", (_why, pattern, text) =>
    expect(patterned(pattern)({ p0: text })).toBeUndefined(),
  );
});

describe("a definition of a stranger's", () => {
  it("may name the draft that most generators name", () =>
    expect(
      checkOf({ $schema: "http://json-schema.org/draft-07/schema#", required: ["id"], properties: { id: {} } })({}),
    ).toContain("'id'"));
  it("is refused when all of them together are too large", () => {
    const definitions = new Definitions();
    const tool = { name: "a", inputSchema: { type: "object", title: "x".repeat(30_000) } };
    const make = () => definitions.make(tool, "wiki_a", "ours");
    for (let i = 0; i < 8; i++) make();
    expect(make).toThrow("too large together");
  });
});
