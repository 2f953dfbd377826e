import { mkdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { run, type RunOptions } from "./run.ts";

const overlayFilesystem = 0x794c7630; // OVERLAYFS_SUPER_MAGIC, statfs(2)

/** Runs buildah with a store of its own in the cache: the machine's, if there is one, stays as it is. */
export async function buildah(args: string[], options: RunOptions = {}): Promise<string> {
  const store = join(cacheFolder(), "buildah");
  await mkdir(store, { recursive: true });
  const driver = (await statfs(store)).type === overlayFilesystem ? "vfs" : "overlay";
  const where = ["--root", join(store, "root"), "--runroot", join(store, "run"), "--storage-driver", driver];
  return run("buildah", [...where, ...args], options);
}

/** Builds an image without an engine: steps run in a chroot, as root. The base images must be in the store. */
export async function buildahBuild(
  context: string,
  dockerfile: string,
  tag: string,
  options: RunOptions & { layers?: boolean } = {},
): Promise<void> {
  const args = ["bud", "--isolation", "chroot", "--pull-never", "--format", "docker"];
  await buildah([...args, ...(options.layers ? ["--layers"] : []), "-t", tag, "-f", dockerfile, context], options);
}
