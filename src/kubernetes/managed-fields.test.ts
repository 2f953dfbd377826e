import fc from "fast-check";
import { expect, test } from "vitest";
import { withoutManagedFields } from "./managed-fields.ts";

/** Anything, with the words that it looks for in all places. */
const anything = fc.letrec((tie) => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom("metadata", "managedFields", "items", "\\\\", 'a"', '"managedFields":[', '"metadata":{', "}]"),
  );
  return {
    word,
    tree: fc.oneof(
      { maxDepth: 5 },
      word,
      fc.integer(),
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(word, tie("tree"), { maxKeys: 4, noNullPrototype: true }),
    ),
  };
});
const object = fc.dictionary(anything.word, anything.tree, { noNullPrototype: true });
const others = object.map(({ metadata: _metadata, ...rest }) => rest);
const managed = fc.array(object, { maxLength: 3 });

/** Only lists of managed fields go: whatever else has their name is no such thing. */
const unmanaged = (metadata: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(metadata).filter(([key, it]) => key !== "managedFields" || !Array.isArray(it)));

test("a list reads as before, but for its items' managedFields, whatever stands around them", () => {
  const metadata = fc.tuple(object, fc.option(managed), object).map(([before, fields, after]) => ({
    ...before,
    ...(fields ? { managedFields: fields } : {}),
    ...after,
  }));
  const item = fc
    .tuple(others, metadata, others)
    .map(([before, its, after]) => ({ ...before, metadata: its, ...after }));
  const list = fc.array(item, { maxLength: 4 }).map((items) => ({ kind: "List", metadata: {}, items }));
  fc.assert(
    fc.property(list, (value) => {
      // As texts: V8 (Node 24.21) now and then reads a key with an escape as another one, with or without this.
      const items = value.items.map((it) => ({ ...it, metadata: unmanaged(it.metadata) }));
      expect(withoutManagedFields(JSON.stringify(value))).toBe(JSON.stringify({ ...value, items }));
    }),
    { numRuns: 200 },
  );
});

test("it goes with its comma, whether it stands first, last, between others or alone", () => {
  const cut = (metadata: string) => withoutManagedFields(`{"items":[{"metadata":{${metadata}}}]}`);
  const fields = '"managedFields":[{"fieldsV1":{"f:data":{},"k:{\\"port\\":1}":["]"]}}]';
  expect(cut(`${fields},"name":"a"`)).toBe('{"items":[{"metadata":{"name":"a"}}]}');
  expect(cut(`"name":"a",${fields}`)).toBe('{"items":[{"metadata":{"name":"a"}}]}');
  expect(cut(`"name":"a",${fields},"uid":"b"`)).toBe('{"items":[{"metadata":{"name":"a","uid":"b"}}]}');
  expect(cut(fields)).toBe('{"items":[{"metadata":{}}]}');
});

test("an answer that is cut short ends it too", () => {
  expect(withoutManagedFields('{"items":[{"metadata":{"name":"a')).toBe('{"items":[{"metadata":{"name":"a');
});
