import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** A short name for content: equal for equal files (by path and bytes) and equal words. */
export async function hashOf(words: string[], folder?: string, files: string[] = []): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(words));
  for (const file of files.toSorted()) {
    const bytes = await readFile(join(folder ?? "", file));
    hash.update(`\0${file}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex").slice(0, 12);
}
