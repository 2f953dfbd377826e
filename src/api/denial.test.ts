import fc from "fast-check";
import { expect, test } from "vitest";
import { denialReason, denialText, reasonInDenial } from "./denial.ts";

test("a reason is read again as it was given, whatever it says", () => {
  const reasons = fc.oneof(fc.string(), fc.constantFrom(". It was not made.", ": ", "\n"));
  fc.assert(fc.property(reasons, (it) => reasonInDenial(denialText(it)) === (it || null)));
});

test("what was denied without a reason has none, and so has what is no denial", () => {
  for (const text of [
    denialText(),
    denialText(""),
    "",
    "A person denied this call: ",
    "the order is gone. It was not made.",
  ])
    expect(reasonInDenial(text)).toBeNull();
});

test("a reason is bounded, and space around it does not count", () => {
  expect(denialReason.parse(`  ${"x".repeat(2000)}\n`)).toHaveLength(2000);
  expect(denialReason.parse(" ")).toBe("");
  const { error } = denialReason.safeParse("x".repeat(2001));
  expect(error?.issues[0]?.message).toBe("must have 2000 characters at most");
});
