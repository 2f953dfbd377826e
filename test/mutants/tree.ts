import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../support/root.ts";
import { type Mutant, mutated } from "./mutant.ts";

/** Not copied: what is large, and what belongs to the checkout alone. */
const LEFT_OUT = new Set([".git", "node_modules", "dist", ".install.lock"].map((it) => join(ROOT, it)));

/** A copy of the checkout, to weaken: the checkout itself is never written to. */
export interface Tree {
  path: string;
  /** Does `work` while the mutant is in. @throws when its text is not there once */
  weakened<T>(mutant: Mutant, work: () => Promise<T>): Promise<T>;
  remove(): Promise<void>;
}

export async function copyOfCheckout(): Promise<Tree> {
  const path = await mkdtemp(join(tmpdir(), "agentpg-mutants-"));
  await cp(ROOT, path, { recursive: true, filter: (from) => !LEFT_OUT.has(from) });
  await symlink(join(ROOT, "node_modules"), join(path, "node_modules"));
  return {
    path,
    async weakened(mutant, work) {
      const file = join(path, mutant.file);
      const source = await readFile(file, "utf8");
      await writeFile(file, mutated(source, mutant));
      try {
        return await work();
      } finally {
        await writeFile(file, source);
      }
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}
