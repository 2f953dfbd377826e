import { expect, test } from "vitest";
import { shownRow } from "./audit.ts";
import { expiryOf, looksLikeToken } from "./identity.ts";
import { shownBlock } from "./transcript.ts";

test.each([
  [
    { type: "text", text: "hello" },
    { kind: "text", text: "hello" },
  ],
  [{ type: "text" }, { kind: "text", text: "" }],
  [
    { type: "tool_use", id: "t", name: "orders", input: { id: 1 } },
    { kind: "tool_use", name: "orders", id: "t", text: '{\n  "id": 1\n}' },
  ],
  [
    {
      type: "tool_result",
      tool_use_id: "t",
      content: [{ type: "text", text: "a" }, { type: "image" }],
      is_error: true,
    },
    { kind: "tool_result", id: "t", isError: true, text: 'a\n{\n  "type": "image"\n}' },
  ],
  [
    { type: "tool_result", tool_use_id: "t" },
    { kind: "tool_result", id: "t", isError: false, text: "" },
  ],
  [
    { type: "document", source: "x" },
    { kind: "other", name: "document" },
  ],
  [null, { kind: "other", name: "unknown", text: "null" }],
])("the block %j is shown as text", (block, shown) => {
  expect(shownBlock(block)).toMatchObject(shown);
});

test("a line of the audit log is taken apart, and one that is cut or no JSON is shown as it is", () => {
  const line = { seq: 7, at: "2026-11-28T10:00:00.000Z", intact: true };
  const record = JSON.stringify({
    at: line.at,
    tenant: "acme",
    agent: null,
    user: "ann",
    action: "tool.called",
    tool: "x",
  });
  expect(shownRow({ ...line, record })).toEqual({
    ...line,
    action: "tool.called",
    agent: null,
    user: "ann",
    detail: '{\n  "tool": "x"\n}',
  });
  expect(shownRow({ ...line, record: '{"erased":"e1","agent":"a"}' })).toMatchObject({ action: "erased", agent: "a" });
  for (const text of [record.slice(0, 20), "[]", "null", '"x"'])
    expect(shownRow({ ...line, record: text })).toMatchObject({ action: "unreadable", detail: text });
});

test("the end of a token is read from those that have one", () => {
  const jwt = (payload: unknown) => `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.c2ln`;
  expect(expiryOf(jwt({ exp: 1_800_000_000 }))).toBe(1_800_000_000);
  for (const token of [jwt({}), jwt({ exp: "soon" }), jwt(null), "opaque-token", "a.b.c", ""])
    expect(expiryOf(token)).toBeUndefined();
});

test.each([
  ["short", false],
  ["two words here", false],
  ["with\nnewline-in-it", false],
  ["a-good-token.x_y", true],
])("%j looks like a token: %s", (token, fits) => expect(looksLikeToken(token)).toBe(fits));
