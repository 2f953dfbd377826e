import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MountedKeys } from "./mounted-keys.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agentpg-keys-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const aKey = () => randomBytes(32).toString("base64");
const put = async (files: Record<string, string>) => {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
};

test("what one key wrapped is unwrapped after another has come into use", async () => {
  await put({ first: `${aKey()}\n`, current: "first\n" });
  const keys = new MountedKeys(folder);
  const data = randomBytes(32);
  const wrapped = await keys.wrap(data, "here");
  await put({ second: aKey(), current: "second" });
  expect(await keys.current()).toBe("second");
  expect(await keys.unwrap(wrapped, "here")).toEqual(data);
  expect((await keys.wrap(data, "here")).kek).toBe("second");
});

test("what is wrapped is of no use elsewhere", async () => {
  await put({ first: aKey(), current: "first" });
  const keys = new MountedKeys(folder);
  const wrapped = await keys.wrap(randomBytes(32), "one tenant");
  await expect(keys.unwrap(wrapped, "another")).rejects.toMatchObject({ reason: "EncryptionKeyInvalid" });
});

test("a key that is gone is named, and so is one that another took the name of", async () => {
  await put({ first: aKey(), second: aKey(), current: "first" });
  const keys = new MountedKeys(folder);
  const wrapped = await keys.wrap(randomBytes(32), "here");
  await put({ first: aKey() });
  await expect(keys.unwrap(wrapped, "here")).rejects.toThrow(/key first does not open/);
  await put({ current: "second" });
  await rm(join(folder, "first"));
  await expect(keys.unwrap(wrapped, "here")).rejects.toMatchObject({
    reason: "EncryptionKeyMissing",
    message: expect.stringContaining("first"),
  });
});

test.each([
  ["nothing", {}, /no file current/],
  ["no current", { first: aKey() }, /no file current/],
  ["an empty current", { first: aKey(), current: " \n" }, /current, or it is empty/],
  ["a current that names nothing", { first: aKey(), current: "second" }, /names the key-encryption key "second"/],
  ["an empty key", { first: "", current: "first" }, /first is empty/],
  ["a short key", { first: randomBytes(16).toString("base64"), current: "first" }, /first must hold 32 random bytes/],
  ["a half-written key", { first: aKey().slice(0, 30), current: "first" }, /first must hold 32 random bytes/],
  ["raw bytes", { first: "\u0001\u0002\u0003", current: "first" }, /first must hold/],
  ["a bad key beside a good one", { first: aKey(), second: "oops", current: "first" }, /second must hold/],
])("keys that are not whole are refused: %s", async (_name, files, message) => {
  await put(files);
  await expect(new MountedKeys(folder).current()).rejects.toThrow(message);
});

test("no part of a key is in what is said about it", async () => {
  const short = randomBytes(16).toString("base64");
  await put({ first: short, current: "first" });
  const error = await new MountedKeys(folder).current().catch((it: Error) => it);
  expect(JSON.stringify([String(error), error])).not.toContain(short.slice(0, 8));
});

test("a folder that is not there is told apart from a bad key", async () => {
  await expect(new MountedKeys(join(folder, "none")).current()).rejects.toMatchObject({
    reason: "EncryptionKeyMissing",
  });
});
