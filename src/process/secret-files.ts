import { readdir, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";

/** A file's text without the white space around it. @throws when it is missing or empty, with a message that says which */
export async function readSecretFile(directory: string, file: string): Promise<string> {
  const text = (await readFile(join(directory, file), "utf8")).trim();
  if (!text) throw new Error(`${join(directory, file)} is empty`);
  return text;
}

/** The folder that the kubelet's link `..data` leads to; the directory itself where there is no such link. */
const published = (directory: string): Promise<string> => realpath(join(directory, "..data")).catch(() => directory);

type Wanted = readonly string[] | ((name: string) => boolean);

async function readFiles(folder: string, wanted: Wanted): Promise<Record<string, string>> {
  const visible = async () => (await readdir(folder)).filter((it) => !it.startsWith(".")).sort();
  const names = typeof wanted === "function" ? (await visible()).filter(wanted) : wanted;
  const read = async (name: string): Promise<[string, string][]> => {
    try {
      return [[name, (await readFile(join(folder, name), "utf8")).trim()]];
    } catch (error) {
      if ((error as { code?: string }).code === "ENOENT") return [];
      throw error;
    }
  };
  return Object.fromEntries((await Promise.all(names.map(read))).flat());
}

/**
 * Several files of one Secret as they were published together: the kubelet swaps the link `..data`, so all are read from behind
 * the link, and once more if it was swapped meanwhile, as the kubelet removes what was there before. Each without the white space
 * around it; files that do not exist are left out.
 * @param wanted their names, or which of those that are there; all of them unless told
 */
export async function readSecretFiles(directory: string, wanted: Wanted = () => true): Promise<Record<string, string>> {
  for (;;) {
    const folder = await published(directory);
    const outcome = await readFiles(folder, wanted).then(
      (found) => ({ found }),
      (error: unknown) => ({ error }),
    );
    if ((await published(directory)) !== folder) continue;
    if ("error" in outcome) throw outcome.error;
    return outcome.found;
  }
}
