import type { Progress } from "../../src/telemetry/progress.ts";
import { type Killer, type Mutant } from "./mutant.ts";
import { runTests } from "./run-tests.ts";
import type { Tree } from "./tree.ts";

/** What became of a mutant. `killed`: each test file that has to see it did. */
export interface Verdict {
  mutant: Mutant;
  killed: boolean;
  /** Why not, for people. */
  why?: string;
}

/** In a regular expression, as itself; Vitest parts a group's name from a test's by more than a space. */
const plain = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&").replaceAll(" ", "(?: > | )");
const patternOf = (killers: Killer[]): string | undefined =>
  killers.every((it) => it.tests !== undefined) ? killers.map((it) => plain(it.tests ?? "")).join("|") : undefined;

/**
 * Why the tests prove nothing: they fail, or have no such names, while nothing is weakened, so that everything would look killed. A busy
 * machine may fail one; it gets a second try.
 */
async function faultUnweakened(tree: Tree, file: string, killers: Killer[], tries = 2): Promise<string | undefined> {
  try {
    const ran = await runTests(tree.path, file, patternOf(killers), false);
    const failed = ran.find((it) => !it.passed);
    if (failed && tries > 1) return await faultUnweakened(tree, file, killers, tries - 1);
    if (failed) return `${file}: "${failed.name}" fails without any mutant`;
    const idle = killers.find((it) => !ran.some(({ name }) => name.includes(it.tests ?? "")));
    return idle && `${file}: no test has "${idle.tests}" in its name`;
  } catch (error) {
    if (tries > 1) return faultUnweakened(tree, file, killers, tries - 1);
    return (error as Error).message;
  }
}

async function judged(tree: Tree, mutant: Mutant, faults: Map<string, string>): Promise<Verdict> {
  const why = mutant.killedBy.map(({ file }) => faults.get(file)).find((it) => it !== undefined);
  if (why !== undefined) return { mutant, killed: false, why };
  for (const killer of mutant.killedBy) {
    const at = `${killer.file}${killer.tests === undefined ? "" : ` "${killer.tests}"`}`;
    try {
      const tests = () => runTests(tree.path, killer.file, patternOf([killer]), true);
      // A busy machine may fail what a suite sets up.
      const ran = await tree.weakened(mutant, () => tests().catch(tests));
      if (ran.every((it) => it.passed)) return { mutant, killed: false, why: `${at} passes` };
    } catch (error) {
      return { mutant, killed: false, why: `${at} did not run: ${(error as Error).message}` };
    }
  }
  return { mutant, killed: true };
}

/** Takes one wall down after the other, each in turn, and looks whether the tests see it. Tests that fail without a mutant kill none. */
export async function judge(tree: Tree, mutants: readonly Mutant[], progress: Progress): Promise<Verdict[]> {
  const killers = Map.groupBy(
    mutants.flatMap((it) => it.killedBy),
    (it) => it.file,
  );
  const faults = new Map<string, string>();
  await progress.step(`${killers.size} test files are run without a mutant`, async (detail) => {
    for (const [file, its] of killers) {
      detail(file);
      const fault = await faultUnweakened(tree, file, its);
      if (fault !== undefined) faults.set(file, fault);
    }
  });
  const verdicts: Verdict[] = [];
  for (const mutant of mutants) {
    const verdict = await judged(tree, mutant, faults);
    verdicts.push(verdict);
    progress.note(
      `${verdict.killed ? "killed" : "SURVIVED"}: ${mutant.weakness}${verdict.why ? ` (${verdict.why})` : ""}`,
    );
  }
  return verdicts;
}
