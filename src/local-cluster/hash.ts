import { createHash } from "node:crypto";
import { lstat, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

/** A short name for content: equal for equal words and equal files, by path, bytes and whether they can be run. */
export async function hashOf(words: string[], folder?: string, files: string[] = []): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(words));
  for (const file of files.toSorted()) {
    const path = join(folder ?? "", file);
    const about = await lstat(path);
    const bytes = about.isSymbolicLink() ? Buffer.from(await readlink(path)) : await readFile(path);
    hash.update(`\0${file}\0${about.mode & 0o111 ? "x" : "-"}${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex").slice(0, 12);
}
