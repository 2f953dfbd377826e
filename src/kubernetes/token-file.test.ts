import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, test, expect } from "vitest";
import { TokenFile } from "./token-file.ts";

function aTokenFile() {
  const folder = mkdtempSync(join(tmpdir(), "agentpg-token-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "token");
  const clock = { ms: 0 };
  const it = new TokenFile(() => clock.ms);
  const user = { name: "pod", authProvider: { name: "tokenFile", config: { tokenFile: path } } };
  const header = async () => {
    const options: { headers?: Record<string, unknown> } = { headers: { accept: "x" } };
    await it.applyAuthentication(user, options);
    return options.headers?.["Authorization"];
  };
  return { it, user, clock, header, write: (token: string) => writeFileSync(path, token), remove: () => rmSync(path) };
}

test("a token that was replaced is used within seconds, and at once when the server refuses the old one", async () => {
  const { it, clock, header, write } = aTokenFile();
  write("first\n");
  expect(await header()).toBe("Bearer first");
  write("second");
  expect(await header()).toBe("Bearer first");
  expect(it.reload()).toBe(true);
  expect(it.reload()).toBe(false); // the same again: no use in asking the server with it
  expect(await header()).toBe("Bearer second");
  write("third");
  clock.ms += 10_001;
  expect(await header()).toBe("Bearer third");
});

test("a token file that is gone or empty for a moment leaves the token that is known", async () => {
  const { it, header, write, remove, clock } = aTokenFile();
  write("known");
  expect(await header()).toBe("Bearer known");
  write("");
  expect(it.reload()).toBe(false);
  remove();
  clock.ms += 60_000;
  expect(await header()).toBe("Bearer known");
});

test("only users with a token file are its own", () => {
  const { it, user } = aTokenFile();
  expect(it.isAuthProvider(user)).toBe(true);
  expect(it.isAuthProvider({ name: "person", token: "x" })).toBe(false);
});
