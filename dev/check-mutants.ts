// Whether each mutant's text is still in the source, once: npm run check -- mutants
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mutated } from "../test/mutants/mutant.ts";
import { MUTANTS } from "../test/mutants/suites.ts";

const root = join(import.meta.dirname, "..");
const problems: string[] = [];
for (const mutant of MUTANTS) {
  try {
    mutated(readFileSync(join(root, mutant.file), "utf8"), mutant);
  } catch (error) {
    problems.push((error as Error).message);
  }
  for (const { file } of mutant.killedBy)
    if (!existsSync(join(root, file)))
      problems.push(`the test file ${file} of the mutant "${mutant.weakness}" is gone`);
}
for (const it of problems) console.error(it);
if (problems.length > 0)
  console.error("write the mutants anew in test/mutants/list, and run `npm run test:mutants -- --only TEXT`");
console.log(`${MUTANTS.length} mutants fit the source`);
process.exitCode = problems.length > 0 ? 1 : 0;
