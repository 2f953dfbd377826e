import { readFile, readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseIgnoreFile } from "./ignore-file.ts";

const neverInputs = new Set([".git", "node_modules"]);

/** All files under these paths of the context that the image may be made of, relative to it, sorted. */
export async function contextFiles(context: string, inputs: string[] = ["."]): Promise<string[]> {
  const ignored = parseIgnoreFile(await readFile(join(context, ".dockerignore"), "utf8").catch(() => ""));
  const found: string[] = [];
  const visit = async (path: string): Promise<void> => {
    const name = relative(context, path);
    if (!(await stat(path)).isDirectory()) {
      if (!ignored(name)) found.push(name);
      return;
    }
    for (const entry of await readdir(path, { withFileTypes: true })) {
      // A pattern may take files out of an ignored folder back in, so it is visited; these two would take long.
      if (neverInputs.has(entry.name) && ignored(relative(context, join(path, entry.name)))) continue;
      if (entry.isSymbolicLink()) found.push(relative(context, join(path, entry.name)));
      else await visit(join(path, entry.name));
    }
  };
  for (const input of inputs) await visit(join(context, input));
  return found.filter((name) => !ignored(name)).toSorted();
}
