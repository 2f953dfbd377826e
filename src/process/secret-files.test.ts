import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readSecretFiles } from "./secret-files.ts";

const NAMES = ["a", "b", "c"];
let mount: string;
beforeEach(async () => {
  mount = await mkdtemp(join(tmpdir(), "agentpg-secret-"));
});
afterEach(() => rm(mount, { recursive: true, force: true }));

/** As the kubelet does: a folder of its own for each version, a link that is swapped, and what was there before is removed. */
async function publish(version: number): Promise<void> {
  const folder = `..version_${version}`;
  await mkdir(join(mount, folder));
  for (const name of NAMES) await writeFile(join(mount, folder, name), `${version}\n`);
  await symlink(folder, join(mount, "..data_tmp"));
  await rename(join(mount, "..data_tmp"), join(mount, "..data"));
  await rm(join(mount, `..version_${version - 1}`), { recursive: true, force: true });
}

test.each([["all there are", undefined] as const, ["those that are named", NAMES] as const])(
  "%s are of one version and whole, while others are published without pause",
  async (_what, wanted) => {
    await publish(0);
    const over = new AbortController();
    const publishing = (async () => {
      for (let version = 1; !over.signal.aborted; version++) await publish(version);
    })();
    try {
      const seen = new Set<string>();
      while (seen.size < 50) {
        const found = await readSecretFiles(mount, wanted);
        expect(Object.keys(found)).toEqual(NAMES);
        expect(new Set(Object.values(found)).size).toBe(1);
        seen.add(found["a"] ?? "");
      }
    } finally {
      over.abort();
      await publishing;
    }
  },
);

test("a file that is not there is left out, a directory that is not there is an error", async () => {
  await writeFile(join(mount, "a"), " one\n");
  expect(await readSecretFiles(mount, ["a", "b"])).toEqual({ a: "one" });
  await expect(readSecretFiles(join(mount, "gone"))).rejects.toThrow("ENOENT");
});
