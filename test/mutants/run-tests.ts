import { spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../support/root.ts";

/** A test that ran, by all of its name, and whether it passed. */
export interface Ran {
  name: string;
  passed: boolean;
}

interface Report {
  testResults: { message?: string; assertionResults: { fullName: string; status: string }[] }[];
}

/** Longer than any of the files takes. */
const TIMEOUT_MS = 300_000;

/** The suite that a test file belongs to (vitest.config.ts). */
const projectOf = (file: string): string =>
  /^(src|test\/(attacks|fuzz|mutants|pii|scanners))\//.test(file)
    ? "unit"
    : /^test\/(database|isolation|runtime|chaos)\//.test(file)
      ? "postgres"
      : "api-server";

const ended = (args: string[], cwd: string): Promise<string> => {
  const { CI: _, ...env } = process.env; // no second tries
  const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout: TIMEOUT_MS });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => void (said += String(chunk)));
  return new Promise((resolve) => child.on("close", () => resolve(said)));
};

/**
 * Runs the tests of a file whose names match.
 * @param tree where, a copy of the checkout
 * @param first end with the first that fails
 * @throws when none ran: the file does not load, or nothing has such a name
 */
export async function runTests(tree: string, file: string, names: string | undefined, first: boolean): Promise<Ran[]> {
  const report = join(tree, "mutants-report.json");
  await rm(report, { force: true });
  const args = ["run", "--project", projectOf(file), file, "--reporter=json", `--outputFile.json=${report}`];
  if (names !== undefined) args.push("--testNamePattern", names);
  if (first) args.push("--bail=1");
  const said = await ended([join(ROOT, "node_modules/vitest/vitest.mjs"), ...args], tree);
  const text = await readFile(report, "utf8").catch(() => '{"testResults":[]}');
  const { testResults } = JSON.parse(text) as Report;
  const ran = testResults
    .flatMap((it) => it.assertionResults)
    .filter(({ status }) => status === "passed" || status === "failed")
    .map(({ fullName, status }) => ({ name: fullName, passed: status === "passed" }));
  if (ran.length > 0) return ran;
  const why = testResults.map((it) => it.message ?? "").join("\n");
  throw new Error(`${file}: no test of the name "${names ?? ""}" ran:\n${`${why}\n${said}`.slice(-2000)}`);
}
