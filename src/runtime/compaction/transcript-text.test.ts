import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Entry } from "./protect.ts";
import { conversationText } from "./transcript-text.ts";

const entry = (role: Entry["role"], ...content: Entry["content"]): Entry => ({ seq: 1, runId: "r", role, content });

describe("a conversation as a text", () => {
  it("says who said, called and got what, and leaves thinking out", () => {
    const text = conversationText(
      [
        entry("user", { type: "text", text: "Where is order 7?" }),
        entry(
          "assistant",
          { type: "thinking", thinking: "hm", signature: "s" },
          { type: "tool_use", id: "t", name: "orders", input: { id: 7 } },
        ),
        entry("user", { type: "tool_result", tool_use_id: "t", content: "shipped", is_error: false }),
      ],
      10_000,
    );
    expect(text).toBe(
      '<user>\nWhere is order 7?\n</user>\n<assistant>\n[calls orders with {"id":7}]\n</assistant>\n<user>\n[result: shipped]\n</user>',
    );
  });
  it("shortens long parts in the middle before anything else", () => {
    const text = conversationText(
      [
        entry("user", { type: "tool_result", tool_use_id: "t", content: `begin${"x".repeat(50_000)}end` }),
        entry("user", { type: "text", text: "a short question" }),
      ],
      3000,
    );
    expect(text).toMatch(/^<user>\n\[result: beginx+ \[… \d+ characters left out …\] x+end\]/);
    expect(text).toContain("a short question");
  });
  it("is never longer than it may be, whatever is said", () =>
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "binary", maxLength: 300 }), { maxLength: 30 }),
        fc.integer({ min: 3000, max: 20_000 }),
        (texts, most) => {
          const entries = texts.map((text) => entry("user", { type: "text", text: text.repeat(100) }));
          const whole = conversationText(entries, most);
          expect(Buffer.byteLength(whole)).toBeLessThanOrEqual(most);
        },
      ),
      { numRuns: 8 },
    ));
});
