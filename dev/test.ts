// npm test [-- SUITE ...]: the suites one after another (unit, postgres, api-server, node), with one line at the end:
//   N passed, N failed
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

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
  testResults: { status: string; assertionResults: unknown[] }[];
}

let interrupted = false;
const results = mkdtempSync(join(tmpdir(), "agentpg-test-"));

async function run(suite: string): Promise<{ passed: number; failed: number; skipped: number }> {
  const file = join(results, `${suite}.json`);
  const args = ["run", "--project", suite, "--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const child = spawn(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), ...args], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const stop = (signal: NodeJS.Signals) => {
    interrupted = true;
    child.kill(signal);
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
  const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
  process.off("SIGTERM", stop).off("SIGINT", stop);
  try {
    const report = JSON.parse(readFileSync(file, "utf8")) as Report;
    // A file that does not load has no tests, and still has failed; so has a run with an unhandled error.
    const broken = report.testResults.filter((it) => it.status === "failed" && it.assertionResults.length === 0).length;
    const failed = report.numFailedTests + broken;
    return {
      passed: report.numPassedTests,
      failed: failed === 0 && code !== 0 ? 1 : failed,
      skipped: report.numPendingTests,
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

const total = { passed: 0, failed: 0, skipped: 0 };
const started = Date.now();
for (const suite of chosen.length > 0 ? SUITES.filter((it) => chosen.includes(it)) : SUITES) {
  if (interrupted) break;
  const begun = Date.now();
  console.log(`\n── ${suite} ──`);
  const result = await run(suite);
  for (const key of ["passed", "failed", "skipped"] as const) total[key] += result[key];
  console.log(
    `${suite}: ${result.passed} passed, ${result.failed} failed in ${((Date.now() - begun) / 1000).toFixed(0)} s`,
  );
}
rmSync(results, { recursive: true, force: true });
if (total.passed + total.failed === 0) total.failed = 1; // a run of no tests is no success
console.log(`\nall suites took ${((Date.now() - started) / 1000).toFixed(0)} s`);
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`);
process.exitCode = total.failed > 0 || interrupted ? 1 : 0;
