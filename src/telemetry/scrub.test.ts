import { expect, test } from "vitest";
import { createLogger } from "./log.ts";
import { scrub, scrubText } from "./scrub.ts";

const planted = "sk-ant-api03-PLANTED-planted";

test.each([
  ["a key in a text", `called with ${planted}`],
  ["a bearer token", "Authorization: Bearer abcdefghijklmnop.PLANTED-planted"],
  ["a connection string", "postgres://user:PLANTED-planted@db/x"],
  ["an assignment", "password=PLANTED-planted host=x"],
])("%s does not survive", (_name, text) => {
  expect(scrubText(text)).not.toContain("PLANTED");
});

test("fields that are named like a secret go, at any depth", () => {
  const out = JSON.stringify(
    scrub({ a: { b: [{ password: "PLANTED", apiKey: "PLANTED", "x-api-key": "PLANTED", user: "u" }] } }),
  );
  expect(out).not.toContain("PLANTED");
  expect(out).toContain('"user":"u"');
});

test("a log line holds no secret: not in its message, its fields, an error or an error's cause", () => {
  const lines: string[] = [];
  const log = createLogger("test", "info", { write: (line) => void lines.push(line) });
  log.info({ deep: { token: "PLANTED" } }, `key ${planted}`);
  log.error({ err: new Error(`bad ${planted}`, { cause: new Error("postgres://u:PLANTED@h/d") }) }, "failed");
  log.error({ failure: new Error(`bad ${planted}`) }, "failed");
  expect(lines).toHaveLength(3);
  expect(lines.join("")).not.toContain("PLANTED");
});
