import { expect, test } from "vitest";
import { decisionText } from "./conversation.ts";

const decided = { toolUseId: "toolu_1", name: "refund", approved: false, by: "bob", reason: null };

test("a decision says who made it, and why, without giving the terminal orders", () => {
  expect(decisionText({ ...decided, approved: true })).toBe("refund was approved by bob");
  expect(decisionText({ ...decided, reason: "not on a \u001b[2JFriday" })).toBe(
    "refund was denied by bob: not on a \\x1b[2JFriday",
  );
  expect(decisionText({ ...decided, by: null })).toBe("refund was denied: nobody decided in time");
});
