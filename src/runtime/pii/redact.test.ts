import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import type { ContentBlock } from "../../database/runs/run.ts";
import { redactContent } from "./content.ts";
import { findingsIn } from "./detect.ts";
import { redactJson, redactText } from "./redact.ts";
import { StreamRedactor } from "./stream.ts";

const VALUES = [
  "alice@example.com",
  "bob (at) example (dot) org",
  "4111 1111 1111 1111",
  "４１１１１１１１１１１１１１１１",
  "5500-0000-0000-0004",
  "GB29 NWBK 6016 1331 9268 19",
  "DE89370400440532013000",
  "+49 30 901820",
  "(212) 555-0187",
  "078-05-1120",
  "AB 12 34 56 C",
  "203.0.113.77",
  "2001:db8::1",
  "AKIAIOSFODNN7EXAMPLE",
  "sk-ant-api03-abcdefghijklmnop",
  "password: hunter2!x",
  "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nxyz==\n-----END PRIVATE KEY-----",
];
const WORDS = [
  "the",
  "order",
  "is",
  "late,",
  "please",
  "call",
  "me",
  "a\u200bt",
  "x",
  "Grüße",
  "—",
  "1",
  "42",
  "2024-01-12",
  ":",
  "\n",
  "-",
  "+",
  "@",
  "SSN",
  "api_key",
  "=",
];
const text = fc
  .array(
    fc.oneof(fc.constantFrom(...VALUES), fc.constantFrom(...WORDS), fc.string({ maxLength: 12, unit: "binary" })),
    {
      maxLength: 30,
    },
  )
  .chain((parts) => fc.constantFrom(" ", "", "\n", " . ").map((gap) => parts.join(gap)));
const runs = { numRuns: 500 };

test("nothing is found in what was redacted, and redacting it again changes nothing", () => {
  fc.assert(
    fc.property(text, (it) => {
      const once = redactText(it, {});
      expect(findingsIn(once)).toEqual([]);
      expect(redactText(once, {})).toBe(once);
    }),
    runs,
  );
});

test("a text that comes in pieces is redacted as a whole one is, whatever the pieces are", () => {
  fc.assert(
    fc.property(text, fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1 }), (it, sizes) => {
      const redactor = new StreamRedactor();
      let told = "";
      let rest = it;
      for (let i = 0; rest; i++) {
        const size = sizes[i % sizes.length] as number;
        told += redactor.push(rest.slice(0, size));
        rest = rest.slice(size);
      }
      expect(told + redactor.end()).toBe(redactText(it, {}));
    }),
    runs,
  );
});

test("a value in plain prose is found where it stands", () => {
  const prose = fc.array(fc.constantFrom("we", "met", "in", "town", "and", "spoke", "about", "it", "for", "long"), {
    minLength: 1,
    maxLength: 20,
  });
  const values = VALUES.filter((it) => !it.startsWith("password") && !it.includes("\n"));
  fc.assert(
    fc.property(prose, fc.constantFrom(...values), prose, (before, value, after) => {
      const start = before.join(" ").length + 1;
      const found = findingsIn(`${before.join(" ")} ${value} ${after.join(" ")}`);
      expect(found.map((it) => [it.start, it.end])).toEqual([[start, start + value.length]]);
    }),
    runs,
  );
});

describe("what is held back of a stream", () => {
  it("is a few words of prose", () => {
    const redactor = new StreamRedactor();
    const said = "This is how we do it here: you write to us, we look at it, and then you hear from us soon.";
    const told = Array.from(said)
      .map((char) => redactor.push(char))
      .join("");
    expect(said.startsWith(told)).toBe(true);
    expect(said.length - told.length).toBeLessThan(40);
  });
  it("is never longer than a segment", () => {
    const redactor = new StreamRedactor();
    const told = redactor.push("1234 ".repeat(20_000));
    expect(told.length).toBeGreaterThan(100_000 - 16_385);
  });
  it("is the whole of a private key", () => {
    const redactor = new StreamRedactor();
    const key = VALUES.at(-1) as string;
    expect(redactor.push(`Here:\n${key.slice(0, 60)}`)).toBe("Here:\n");
    expect(redactor.push(key.slice(60)) + redactor.push("\nThat was it.") + redactor.end()).toBe(
      "[SECRET]\nThat was it.",
    );
  });
});

describe("what is not a single text", () => {
  it("a value that lies over the seam of two texts of a message is found", () => {
    const content = [
      { type: "text", text: "Write to alice@exam" },
      { type: "text", text: "ple.com or call." },
    ];
    const counts = {};
    expect(redactContent(content, counts)).toEqual([
      { type: "text", text: "Write to [EMAIL]" },
      { type: "text", text: " or call." },
    ]);
    expect(counts).toEqual({ email: 1 });
  });
  it("signed thinking is left out rather than changed, and what the API signed is not looked at", () => {
    const content: ContentBlock[] = [
      { type: "thinking", thinking: "The user is alice@example.com", signature: "4111111111111111" },
      { type: "thinking", thinking: "Nothing here", signature: "4111111111111111" },
      { type: "text", text: "Hello" },
    ];
    expect(redactContent(content, {})).toEqual(content.slice(1));
  });
  it("inputs of tools are redacted in texts, keys and long numbers", () => {
    const input = {
      to: ["alice@example.com"],
      card: 4111111111111111,
      "bob@example.com": 1,
      n: 4,
      password: "hunter2!x",
    };
    expect(redactJson(input, {})).toEqual({
      to: ["[EMAIL]"],
      card: "[CARD]",
      "[EMAIL]": 1,
      n: 4,
      password: "[SECRET]",
    });
  });
  it("what has no finding stays the same object", () => {
    const content = [
      { type: "text", text: "Hello 42" },
      { type: "tool_use", id: "t", name: "n", input: { a: [1, { b: "c" }] } },
    ];
    expect(redactContent(content, {})).toBe(content);
  });
});

const HOSTILE: [string, string][] = [
  ["digits", "1".repeat(200_000)],
  ["spaced digits", "4111 1111 ".repeat(20_000)],
  ["dots", "1.".repeat(100_000)],
  ["at signs", "a@".repeat(100_000)],
  ["an endless address", `${"a.".repeat(100_000)}@`],
  ["dashes", "-".repeat(200_000)],
  ["headers of keys", "-----BEGIN PRIVATE KEY-----\n".repeat(7000)],
  ["token heads", "eyJ".repeat(60_000)],
  ["token heads with dots", "eyJaaaaaaaa.".repeat(16_000)],
  ["words for secrets", "api_key=secret token ".repeat(10_000)],
  ["brackets", "(at)".repeat(50_000)],
  ["colons", "2001:".repeat(40_000)],
  ["other digits", "٤١".repeat(100_000)],
  ["account heads", "GB29 ".repeat(40_000)],
  ["invisible", "4\u200b".repeat(100_000)],
];
test.each(HOSTILE)("200 kB of %s are looked through in bounded time", (_what, hostile) => {
  redactText(hostile.slice(0, 1000), {});
  const before = process.cpuUsage();
  redactText(hostile, {});
  const { user } = process.cpuUsage(before);
  expect(user / 1000).toBeLessThan(5000); // milliseconds; quadratic would be minutes
});
