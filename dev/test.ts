// npm test [-- SUITE ...]: the suites (unit, postgres, api-server, node), with one line at the end:
//   N passed, N failed
// The first three come one after another. `node` waits for a kubelet and for pods most of the time, so it runs beside them.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const root = join(import.meta.dirname, "..");
const SUITES = ["unit", "postgres", "api-server", "node"];
const chosen = process.argv.slice(2);
const unknown = chosen.filter((it) => !SUITES.includes(it));
if (unknown.length > 0) {
  console.error(`no such suite: ${unknown.join(", ")}; there are ${SUITES.join(", ")}`);
  process.exit(2);
}

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  success: boolean;
  testResults: {
    name: string;
    status: string;
    message: string;
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
  }[];
}

let interrupted = false;
const results = mkdtempSync(join(tmpdir(), "agentpg-test-"));
const total = { passed: 0, failed: 0, skipped: 0 };
/** What failed and why, told once more at the end: of a long output often only the end is kept. */
const failures: string[] = [];

/** Where a suite's output goes: to the terminal, or kept for as long as another suite has that. */
class Output {
  #kept: (Buffer | string)[] | undefined;
  constructor(kept: boolean) {
    this.#kept = kept ? [] : undefined;
  }
  write(text: Buffer | string): void {
    if (this.#kept) this.#kept.push(text);
    else process.stdout.write(text);
  }
  release(): void {
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    for (const text of kept) process.stdout.write(text);
  }
}

function counted(suite: string, code: number | null): typeof total {
  try {
    const report = JSON.parse(readFileSync(join(results, `${suite}.json`), "utf8")) as Report;
    let failed = report.numFailedTests;
    for (const { name, status, message, assertionResults } of report.testResults) {
      const file = relative(root, name);
      // A file that does not load has no tests, and still has failed.
      if (status === "failed" && assertionResults.length === 0) {
        failed++;
        failures.push(`${suite}: ${file}: ${message}`);
      }
      for (const test of assertionResults)
        if (test.status === "failed")
          failures.push(`${suite}: ${file}: ${test.fullName}\n${test.failureMessages.join("\n").slice(0, 4000)}`);
    }
    if (failed === 0 && code !== 0) {
      failed = 1;
      failures.push(`${suite}: every test passed, yet it ended with ${code}: an error that no test caught, see above`);
    }
    return { passed: report.numPassedTests, failed, skipped: report.numPendingTests };
  } catch (error) {
    failures.push(`${suite}: no report of its tests, it ended with ${code}: ${String(error)}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

async function run(suite: string, output?: Output): Promise<void> {
  if (interrupted) return;
  const say = (line: string) => (output ? output.write(`${line}\n`) : console.log(line));
  say(`\n── ${suite} ──`);
  const begun = Date.now();
  const file = join(results, `${suite}.json`);
  const args = ["run", "--project", suite, "--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const child = spawn(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), ...args], {
    cwd: root,
    stdio: output ? ["ignore", "pipe", "pipe"] : ["ignore", "inherit", "inherit"],
  });
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => output?.write(chunk));
  const stop = (signal: NodeJS.Signals) => {
    interrupted = true;
    child.kill(signal);
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  process.off("SIGTERM", stop).off("SIGINT", stop);
  const result = counted(suite, code);
  for (const key of ["passed", "failed", "skipped"] as const) total[key] += result[key];
  say(`${suite}: ${result.passed} passed, ${result.failed} failed in ${((Date.now() - begun) / 1000).toFixed(0)} s`);
}

const started = Date.now();
const wanted = chosen.length > 0 ? SUITES.filter((it) => chosen.includes(it)) : SUITES;
const beside = wanted.length > 1 && wanted.includes("node") ? new Output(true) : undefined;
const besides = beside && run("node", beside);
for (const suite of wanted) if (!beside || suite !== "node") await run(suite);
beside?.release();
await besides;
rmSync(results, { recursive: true, force: true });
if (total.passed + total.failed === 0) total.failed = 1; // a run of no tests is no success
for (const failure of failures) console.log(`\n✗ ${failure}`);
console.log(`\nall suites took ${((Date.now() - started) / 1000).toFixed(0)} s`);
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`);
process.exitCode = total.failed > 0 || interrupted ? 1 : 0;
