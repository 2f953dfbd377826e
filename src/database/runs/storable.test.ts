import * as fc from "fast-check";
import { expect, test } from "vitest";
import { storableJson, storableText } from "./storable.ts";

/** Text as JSON can carry it: NUL and halves of a surrogate pair included. */
const anyText = fc.string({
  unit: fc.constantFrom("\0", "\ud800", "\udfff", "\u{1F600}", "\uFFFD", "a", '"', "\\", "\\u0000"),
  maxLength: 8,
});

test("whatever comes in, keys as well as values, Postgres can keep what goes out", () => {
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 4 }, anyText, fc.array(tie("tree")), fc.dictionary(anyText, tie("tree"))),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      const strings: string[] = [];
      const gather = (_key: string, it: unknown) => {
        if (typeof it === "string") strings.push(it);
        if (typeof it === "object" && it !== null) strings.push(...Object.keys(it));
        return it;
      };
      JSON.parse(storableJson(value), gather);
      for (const it of strings) expect(it.includes("\0") || !it.isWellFormed()).toBe(false);
    }),
  );
});

test("what Postgres can keep is kept as it is", () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      fc.pre(!/\\u0000|\\ud[89a-f]/.test(JSON.stringify(value)));
      expect(storableJson(value)).toBe(JSON.stringify(value));
    }),
  );
  expect(storableText("\u{1F600} '\"\\")).toBe("\u{1F600} '\"\\");
});
