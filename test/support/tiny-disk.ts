import { spawnSync } from "node:child_process";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serverUser } from "./data-directory.ts";

/** A file system in memory that the test Postgres can write to. */
export interface TinyDisk {
  path: string;
  /** Takes all the space that is left. */
  fill(): Promise<void>;
  /** Gives it back. */
  empty(): Promise<void>;
  remove(): Promise<void>;
}

/** Gives `undefined` where this process may not mount. @param mebibytes its size */
export async function tinyDisk(mebibytes: number): Promise<TinyDisk | undefined> {
  const user = serverUser();
  if (!user) return undefined;
  const path = await mkdtemp(join(tmpdir(), "agentpg-tiny-disk-"));
  const options = `size=${mebibytes}m,uid=${user.uid},gid=${user.gid},mode=700`;
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "none", path]);
  const remove = async () => {
    if (status === 0) spawnSync("umount", ["--lazy", path]);
    await rm(path, { recursive: true, force: true });
  };
  if (status !== 0) {
    await remove();
    return undefined;
  }
  const filler = join(path, "filler");
  return { path, fill: () => writeUntilFull(filler), empty: () => rm(filler, { force: true }), remove };
}

async function writeUntilFull(file: string): Promise<void> {
  const handle = await open(file, "a");
  try {
    for (;;) await handle.write(Buffer.alloc(4096));
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOSPC") throw error;
  } finally {
    await handle.close();
  }
}
