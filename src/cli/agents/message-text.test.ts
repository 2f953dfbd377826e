import { expect, test } from "vitest";
import { messageText } from "./message-text.ts";

test("words stand as they are, tool calls and results in brackets", () => {
  const content = [
    { type: "text", text: "Let me look." },
    { type: "tool_use", id: "t", name: "orders", input: { id: 1042 } },
    { type: "tool_result", tool_use_id: "t", content: [{ type: "text", text: "shipped" }] },
    { type: "tool_result", tool_use_id: "t", is_error: true, content: "gone" },
  ];
  expect(messageText({ content }).split("\n    ")).toEqual([
    "Let me look.",
    '[calls orders {"id":1042}]',
    "[result: shipped]",
    "[error: gone]",
  ]);
});

test("a long result takes one line", () => {
  const line = messageText({ content: [{ type: "tool_result", content: "x".repeat(5000) }] });
  expect(line.length).toBe(200);
  expect(line.endsWith("…")).toBe(true);
});

test("an agent's words cannot give the terminal orders", () => {
  expect(messageText({ content: [{ type: "text", text: "a\u001b]0;owned\u0007\nb\tc" }] })).toBe(
    "a\\x1b]0;owned\\x07\nb\tc",
  );
});
