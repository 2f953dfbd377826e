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

/** Whether the tests pass, and have such names, while nothing is weakened: else everything would look killed. @throws that they do not */
async function passUnweakened(tree: Tree, file: string, killers: Killer[]): Promise<void> {
  const ran = await runTests(tree.path, file, patternOf(killers), false);
  const failed = ran.find((it) => !it.passed);
  if (failed) throw new Error(`${file}: "${failed.name}" fails without any mutant`);
  const idle = killers.find((it) => !ran.some(({ name }) => name.includes(it.tests ?? "")));
  if (idle) throw new Error(`${file}: no test has "${idle.tests}" in its name`);
}

async function judged(tree: Tree, mutant: Mutant): Promise<Verdict> {
  for (const killer of mutant.killedBy) {
    const at = `${killer.file}${killer.tests === undefined ? "" : ` "${killer.tests}"`}`;
    try {
      const ran = await tree.weakened(mutant, () => runTests(tree.path, killer.file, patternOf([killer]), true));
      if (ran.every((it) => it.passed)) return { mutant, killed: false, why: `${at} passes` };
    } catch (error) {
      return { mutant, killed: false, why: `${at} did not run: ${(error as Error).message}` };
    }
  }
  return { mutant, killed: true };
}

/** Takes one wall down after the other, each in turn, and looks whether the tests see it. @throws when tests fail without a mutant */
export async function judge(tree: Tree, mutants: readonly Mutant[], progress: Progress): Promise<Verdict[]> {
  const killers = Map.groupBy(
    mutants.flatMap((it) => it.killedBy),
    (it) => it.file,
  );
  await progress.step(`${killers.size} test files pass without a mutant`, async (detail) => {
    for (const [file, its] of killers) {
      detail(file);
      await passUnweakened(tree, file, its);
    }
  });
  const verdicts: Verdict[] = [];
  for (const mutant of mutants) {
    const verdict = await judged(tree, mutant);
    verdicts.push(verdict);
    progress.note(
      `${verdict.killed ? "killed" : "SURVIVED"}: ${mutant.weakness}${verdict.why ? ` (${verdict.why})` : ""}`,
    );
  }
  return verdicts;
}
