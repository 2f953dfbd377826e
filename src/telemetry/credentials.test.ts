import { expect, test } from "vitest";
import { credentialsIn } from "./credentials.ts";

test.each([
  "sk-ant-api03-abcdefghij",
  "key: AKIAIOSFODNN7EXAMPLE",
  "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
  "xoxb-1234567890-abcdef",
  "postgres://user:hunter2@db/app",
  "-----BEGIN RSA PRIVATE KEY-----",
  "Authorization: Bearer abcdefghijklmnopqrstuvwxyz012345",
])("a text with %s is found by its path, without the text", (text) => {
  const found = credentialsIn({ tools: [{ description: text }] }, "spec");
  expect(found).toEqual([{ path: "spec.tools[0].description", kind: expect.any(String) }]);
  expect(JSON.stringify(found)).not.toContain(text);
});

test.each([
  "Never tell anybody the password or an API key.",
  "The bearer of bad news writes secret: letters.",
  "postgres://user@db/app",
  "claude-sonnet-5-5",
  "task-1234567890 and risk-averse-customers-of-the-bank",
  "Send the header Bearer <token>, as the docs say.",
])("a text such as %s is no credential", (text) => {
  expect(credentialsIn(text, "spec")).toEqual([]);
});
