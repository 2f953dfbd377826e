import { mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join } from "node:path";

/** Where everything lives that is worth keeping: outside the checkout, so that a fresh clone finds it. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env["AGENTPG_CACHE"]) return env["AGENTPG_CACHE"];
  // The XDG base directory specification: a relative path is to be ignored.
  const xdg = env["XDG_CACHE_HOME"];
  return join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), ".cache"), "agentpg");
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * A folder that is either whole or absent: `fill` writes to a neighbour that is renamed when it is done.
 * Gives `path`. Does nothing when the folder is there.
 */
export async function wholeFolder(path: string, fill: (folder: string) => Promise<void>): Promise<string> {
  if (await exists(path)) return path;
  await mkdir(dirname(path), { recursive: true });
  const draft = await mkdtemp(join(dirname(path), `.${basename(path)}-`));
  try {
    await fill(draft);
    await rename(draft, path).catch(async (error: unknown) => {
      if (!(await exists(path))) throw error; // someone else was first: theirs is as good
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return path;
}
