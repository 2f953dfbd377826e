import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";

/** A file's text without the white space around it. @throws when it is missing or empty, with a message that says which */
export async function readSecretFile(directory: string, file: string): Promise<string> {
  const text = (await readFile(join(directory, file), "utf8")).trim();
  if (!text) throw new Error(`${join(directory, file)} is empty`);
  return text;
}

/**
 * Several files of one Secret as they were published together: the kubelet swaps the link `..data`, so all are read from behind
 * the link as it was at the start. Files that do not exist are left out.
 */
export async function readSecretFiles(directory: string, files: string[]): Promise<Record<string, string>> {
  const behind = await realpath(join(directory, "..data")).catch(() => directory);
  const read = async (file: string): Promise<[string, string][]> => {
    try {
      return [[file, (await readFile(join(behind, file), "utf8")).trim()]];
    } catch (error) {
      if ((error as { code?: string }).code === "ENOENT") return [];
      throw error;
    }
  };
  return Object.fromEntries((await Promise.all(files.map(read))).flat());
}
