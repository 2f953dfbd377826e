import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cacheFolder, wholeFolder } from "./cache.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agentpg-cache-test-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("the cache is where its own variable says, else where XDG's does, else in the home", () => {
  expect(cacheFolder({ AGENTPG_CACHE: "/a", XDG_CACHE_HOME: "/b" })).toBe("/a");
  expect(cacheFolder({ XDG_CACHE_HOME: "/b" })).toBe("/b/agentpg");
  expect(cacheFolder({ XDG_CACHE_HOME: "relative" })).toBe(join(homedir(), ".cache/agentpg"));
});

test("a folder whose filling failed isn't there, nor is any rest of it", async () => {
  const broken = wholeFolder(join(folder, "it"), async (draft) => {
    await writeFile(join(draft, "half"), "");
    throw new Error("interrupted");
  });
  await expect(broken).rejects.toThrow("interrupted");
  expect(await readdir(folder)).toEqual([]);
});

test("a folder is filled once", async () => {
  let filled = 0;
  const fill = async (draft: string) => writeFile(join(draft, "file"), `${++filled}`);
  await wholeFolder(join(folder, "it"), fill);
  await wholeFolder(join(folder, "it"), fill);
  expect(filled).toBe(1);
  expect(await readdir(folder)).toEqual(["it"]);
});
