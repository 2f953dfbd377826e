// Lints the chart with the real helm, and renders it with values that must work and values that must be refused.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ensureTools } from "../src/local-cluster/index.ts";
import { terminalProgress } from "../src/telemetry/progress.ts";

const chart = join(import.meta.dirname, "..", "charts", "agentpg");
const tools = await ensureTools(["helm"], terminalProgress());
const helm = (...args: string[]) => spawnSync(tools["helm"] ?? "helm", args, { encoding: "utf8" });

const required = [
  "--set",
  "database.host=postgres.example.com",
  "--set",
  "database.credentialsSecret=agentpg-database-admin",
];
const CASES: [string, string[], "works" | RegExp][] = [
  ["lint", ["lint", "--strict", chart, ...required], "works"],
  ["defaults", ["template", "x", chart, ...required], "works"],
  ["no database", ["template", "x", chart], /database/],
  ["an unknown value", ["template", "x", chart, ...required, "--set", "databse.host=x"], /databse/],
  ["a wrong type", ["template", "x", chart, ...required, "--set", "replicaCount=two"], /replicaCount/],
  ["a bad log level", ["template", "x", chart, ...required, "--set", "operator.logLevel=loud"], /logLevel/],
];

let failed = 0;
for (const [name, args, expected] of CASES) {
  const { status, stdout, stderr } = helm(...args);
  const good = expected === "works" ? status === 0 : status !== 0 && expected.test(stderr + stdout);
  if (good) continue;
  failed++;
  console.error(
    `chart, ${name}: expected ${expected === "works" ? "success" : `a refusal that says ${expected}`}, got exit ${status}\n${stdout.slice(-2000)}${stderr}`,
  );
}
process.exitCode = failed > 0 ? 1 : 0;
