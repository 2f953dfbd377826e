import { mkdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { run, type RunOptions } from "./run.ts";

const overlayFilesystem = 0x794c7630; // OVERLAYFS_SUPER_MAGIC, statfs(2)

/** How many unnamed images, the remembered steps of builds, stay in the store. */
const keptSteps = 24;

// buildah leaves mounts behind, and counts them in its run folder: both are in a mount namespace that ends with it.
const inOwnMounts = 'mount -n -t tmpfs buildah "$0" && exec buildah "$@"';

/** Runs buildah with a store of its own in the cache: the machine's, if there is one, stays as it is. */
export async function buildah(args: string[], options: RunOptions = {}): Promise<string> {
  const store = join(cacheFolder(), "buildah");
  const [root, runRoot] = [join(store, "root"), join(store, "run")];
  await mkdir(runRoot, { recursive: true });
  const driver = (await statfs(store)).type === overlayFilesystem ? "vfs" : "overlay";
  const where = ["--root", root, "--runroot", runRoot, "--storage-driver", driver];
  const namespace = ["--mount", "--propagation=private", "sh", "-c", inOwnMounts, runRoot];
  return run("unshare", [...namespace, ...where, ...args], options);
}

/** Builds an image without an engine: steps run in a chroot, as root. The base images must be in the store. */
export async function buildahBuild(
  context: string,
  dockerfile: string,
  tag: string,
  options: RunOptions & { layers?: boolean } = {},
): Promise<void> {
  const args = ["bud", "--isolation", "chroot", "--pull-never", "--force-rm", "--format", "docker"];
  await buildah(
    [...args, ...(options.layers ? ["--layers"] : ["--no-cache"]), "-t", tag, "-f", dockerfile, context],
    options,
  );
}

/** Removes the oldest remembered steps; what a newer one is made of stays. */
export async function pruneSteps(): Promise<void> {
  const listed = await buildah(["images", "--all", "--filter", "dangling=true", "--json"]);
  const images = (JSON.parse(listed || "null") ?? []) as { id: string; createdatraw: string }[];
  const old = images.toSorted((a, b) => b.createdatraw.localeCompare(a.createdatraw)).slice(keptSteps);
  for (const { id } of old) await buildah(["rmi", id]).catch(() => {});
}
