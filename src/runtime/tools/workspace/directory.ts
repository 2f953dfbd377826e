import { constants, type BigIntStats, type Stats } from "node:fs";
import { type FileHandle, mkdir, open, readlink } from "node:fs/promises";
import { ToolError } from "../tool.ts";

/** Linux: what is opened with it is held, not opened; no link is followed and no device or pipe wakes (open(2)). */
const O_PATH = 0o10000000;
const { O_NOFOLLOW, O_DIRECTORY } = constants;

/** What the handle holds, whatever its names lead to by now. */
export const heldPath = (held: FileHandle): string => `/proc/self/fd/${held.fd}`;

/** A name in a directory that is held: the kernel looks up this one name there, and no other (openat(2)). */
export const entryPath = (directory: FileHandle, name: string): string => `${heldPath(directory)}/${name}`;

const hold = (directory: FileHandle, name: string): Promise<FileHandle> =>
  open(entryPath(directory, name), O_PATH | O_NOFOLLOW);

/** The top, which the operator chose: it alone may be a link. */
export const holdTop = (path: string): Promise<FileHandle> => open(path, O_PATH | O_DIRECTORY);

export class NotADirectory extends ToolError {}

/** @throws ToolError unless it is a plain file or a directory */
export function kindOf(stats: Stats | BigIntStats, name: string): "file" | "directory" {
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) throw new ToolError(`${name} is a symbolic link: links are not followed`);
  if (!stats.isFile()) throw new ToolError(`${name} is neither a file nor a directory (a device, pipe or socket)`);
  if (stats.nlink > 1) throw new ToolError(`${name} is a file with several hard links, which are refused`);
  return "file";
}

async function holdDirectory(directory: FileHandle, name: string, make: boolean): Promise<FileHandle> {
  if (make) {
    await mkdir(entryPath(directory, name), 0o700).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
  const held = await hold(directory, name);
  try {
    if (kindOf(await held.stat(), name) === "directory") return held;
    throw new NotADirectory(`${name} is a file, not a directory`);
  } catch (error) {
    await held.close();
    throw error;
  }
}

/**
 * Walks down name by name, each looked up in the directory that is held, and gives the last one to `work`.
 * Whatever is swapped on the way, the walk never leaves what is below its start.
 * @param make makes the directories that are not there
 */
export async function inDirectory<T>(
  start: FileHandle,
  [name, ...rest]: readonly string[],
  make: boolean,
  work: (directory: FileHandle) => Promise<T>,
): Promise<T> {
  if (name === undefined) return work(start);
  const next = await holdDirectory(start, name, make);
  try {
    return await inDirectory(next, rest, make, work);
  } finally {
    await next.close();
  }
}

/**
 * Whether what is held still stands under the name it was held by. The kernel's own note of that name ends in " (deleted)" for
 * good once the name is gone or leads to something else. Asked after the links were counted it proves that the one link
 * was ours: a hard link that was put here and taken away again would else look like a plain file.
 */
const isStillNamed = async (held: FileHandle, name: string): Promise<boolean> =>
  (await readlink(heldPath(held))).endsWith(`/${name}`);

const ATTEMPTS = 50;

/** Holds a name of a directory while `work` looks at it; what it is has been seen, and stays the same thing. */
export async function withEntry<T>(
  directory: FileHandle,
  name: string,
  work: (entry: FileHandle, kind: "file" | "directory", stats: Stats) => Promise<T>,
): Promise<T> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const held = await hold(directory, name);
    try {
      const stats = await held.stat();
      const kind = kindOf(stats, name);
      if (kind === "directory" || (await isStillNamed(held, name))) return await work(held, kind, stats);
    } finally {
      await held.close();
    }
  }
  throw new ToolError(`${name} is being replaced all the time: try again later`);
}

/** Opens the very file that is held. */
export async function withOpened<T>(
  held: FileHandle,
  flags: number,
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await open(heldPath(held), flags | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}
