import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TranscriptCipher } from "./cipher.ts";
import { type DataKeys, dataKeyFiles, parseDataKeys } from "./data-keys.ts";
import { TranscriptKeyMissing, TranscriptUnreadable } from "./errors.ts";
import { readConversation, writeMessage, writeQuestion } from "./messages.ts";
import type { Place } from "./place.ts";

const aKey = () => randomBytes(32).toString("base64");
const keys: DataKeys = { keys: { 1: aKey(), 2: aKey() }, current: 2 };
const encrypting = new TranscriptCipher("t_0123456789ab", () => keys, true);
const plain = new TranscriptCipher("t_0123456789ab", () => keys);
const PLACE: Place = ["runs.prompt", "run-1"];

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string().map((it) => `agentpg:${it}`),
  fc.string().map((it) => `agentpg:enc:v1:1:${it}`),
  fc.string().map((it) => `agentpg:plain:${it}`),
);
const marked = fc.record({ "agentpg.dev/enc": fc.constantFrom("v1", "plain", 7), key: fc.nat(3), data: fc.string() });
const json = fc.oneof(fc.jsonValue(), marked, fc.record({ "agentpg.dev/enc": marked }));

describe("what is written", () => {
  test.each([
    ["encrypted", encrypting],
    ["plain", plain],
  ])("reads back as it was: %s", (_name, cipher) => {
    fc.assert(fc.property(text, (it) => plain.readText(cipher.writeText(it, PLACE), PLACE) === it));
    fc.assert(
      fc.property(json, (it) => {
        expect(plain.readJson(JSON.parse(JSON.stringify(cipher.writeJson(it, PLACE))), PLACE)).toEqual(
          JSON.parse(JSON.stringify(it)),
        );
      }),
    );
  });

  test("shows nothing of itself, and not that it is the same as before", () => {
    const secret = "a rather long and quite particular secret";
    const [one, other] = [encrypting.writeText(secret, PLACE), encrypting.writeText(secret, PLACE)];
    expect(one).not.toContain("particular");
    expect(one).not.toBe(other);
    expect(Buffer.from(one.split(":").at(-1) ?? "", "base64").toString("latin1")).not.toContain("particular");
  });

  test("cannot be read once any bit of it differs", () => {
    const prefix = "agentpg:enc:v1:2:";
    const stored = Buffer.from(encrypting.writeText("hello", PLACE).slice(prefix.length), "base64");
    for (let bit = 0; bit < stored.length * 8; bit++) {
      const changed = Buffer.from(stored);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => plain.readText(prefix + changed.toString("base64"), PLACE)).toThrow(TranscriptUnreadable);
    }
    expect(() => plain.readText("agentpg:enc:v1:2:AAAA", PLACE)).toThrow(TranscriptUnreadable);
    expect(() => plain.readText("agentpg:enc:v9:2:AAAA", PLACE)).toThrow(/no form/);
  });

  test("cannot be read in another column, row, tenant or generation", () => {
    const stored = encrypting.writeText("hello", PLACE);
    const elsewhere = new TranscriptCipher("t_ffffffffffff", () => keys);
    expect(() => plain.readText(stored, ["runs.response", "run-1"])).toThrow(/generation 2: it was changed, or moved/);
    expect(() => plain.readText(stored, ["runs.prompt", "run-2"])).toThrow(TranscriptUnreadable);
    expect(() => elsewhere.readText(stored, PLACE)).toThrow(TranscriptUnreadable);
    expect(() => plain.readText(stored.replace(":v1:2:", ":v1:1:"), PLACE)).toThrow(TranscriptUnreadable);
  });
});

describe("keys", () => {
  test("of earlier generations go on being read with, the current one is written with", () => {
    const before = new TranscriptCipher("t_0123456789ab", () => ({ ...keys, current: 1 }), true);
    const old = before.writeText("old", PLACE);
    expect(old).toMatch(/^agentpg:enc:v1:1:/);
    expect(encrypting.readText(old, PLACE)).toBe("old");
  });

  test("that are not there are named by their generation, and never written around", () => {
    const without = new TranscriptCipher("t_0123456789ab", () => undefined, true);
    expect(without.canWrite).toBe(false);
    expect(() => without.writeText("hello", PLACE)).toThrow(TranscriptKeyMissing);
    expect(() => without.readText(encrypting.writeText("hello", PLACE), PLACE)).toThrow(
      /generation 2, which is not here/,
    );
  });

  test("are the same after they were handed over as files", () => {
    expect(parseDataKeys(dataKeyFiles(keys))).toEqual(keys);
  });

  test.each([
    [{ "key-1": "", current: "1" }, /key-1 is empty/],
    [{ "key-1": aKey().slice(0, 20), current: "1" }, /key-1 must hold 32 random bytes/],
    [{ "key-1": aKey().replace(/.=$/, "!="), current: "1" }, /key-1 must hold/],
    [{ "key-1": aKey(), current: "2" }, /current names key-2, which is not there/],
    [{ "key-1": aKey(), current: "" }, /current/],
  ])("that are not whole are refused: %#", (files, message) => {
    expect(() => parseDataKeys(files as Record<string, string>)).toThrow(message);
  });
});

describe("a conversation", () => {
  const row = (seq: number, role: "user" | "assistant", content: unknown) => ({
    sessionId: "s",
    runId: "r",
    seq,
    role,
    content,
  });
  const answer = [{ type: "text", text: "Hi" }];
  const question = row(1, "user", writeQuestion(encrypting, "s", "r", "Hello"));
  const reply = row(2, "assistant", writeMessage(encrypting, row(2, "assistant", answer)));

  test("reads plain and encrypted messages together", () => {
    const more = row(3, "user", [{ type: "text", text: "plain" }]);
    expect(readConversation(plain, [question, reply, more]).map((it) => it.content)).toEqual([
      [{ type: "text", text: "Hello" }],
      answer,
      [{ type: "text", text: "plain" }],
    ]);
  });

  test.each([
    ["a reply moved to another place", [question, { ...reply, seq: 4 }]],
    ["a reply in another session", [{ ...reply, sessionId: "other" }]],
    ["a question in another session", [{ ...question, sessionId: "other" }]],
    ["a question of another run", [{ ...question, runId: "other" }]],
    ["a reply said by the other side", [question, { ...reply, role: "user" as const }]],
    ["a question after the reply", [{ ...reply }, { ...question, seq: 3 }]],
  ])("is refused with %s", (_name, rows) => {
    expect(() => readConversation(plain, rows)).toThrow(TranscriptUnreadable);
  });
});
