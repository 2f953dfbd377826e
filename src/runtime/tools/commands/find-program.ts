import { accessSync, constants, statSync } from "node:fs";
import { join } from "node:path";

/** Where the image has its programs: nothing of it can be written to. */
export const PROGRAM_FOLDERS = ["/usr/local/bin", "/usr/bin", "/bin"] as const;

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The absolute path of a program, or undefined when it is not there. */
export const findProgram = (name: string): string | undefined =>
  (name.startsWith("/") ? [name] : PROGRAM_FOLDERS.map((it) => join(it, name))).find(isProgram);
