// Stands in for kubectl, helm and psql while a block of the documentation is run: `node stand-in.ts PROGRAM WORDS…`.
import { spawnSync } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import type { ConnectionSettings } from "../../../src/database/connection.ts";
import { emptyAnswer, planHelm, planKubectl } from "./kubectl.ts";

/** What the test tells its stand-ins, in the file that STAND_IN names. */
export interface StandInConfig {
  kubectl: string;
  helm: string;
  kubeconfig: string;
  /** A superuser's. */
  postgres: ConnectionSettings;
}

const config = JSON.parse(readFileSync(process.env["STAND_IN"] ?? "", "utf8")) as StandInConfig;
const [program = "", ...words] = process.argv.slice(2);

/** What was wrong with a call; the test reads it. */
const complain = (problem: string) =>
  appendFileSync(process.env["PROBLEMS"] ?? "", `${program} ${words.join(" ")}: ${problem}\n`);

function ask(which: "kubectl" | "helm"): void {
  const plan = which === "kubectl" ? planKubectl(words) : planHelm(words);
  const { status, stdout, stderr, error } = spawnSync(config[which], plan.words, {
    stdio: ["inherit", "pipe", "pipe"],
    encoding: "utf8",
    timeout: 20_000,
    env: { ...process.env, KUBECONFIG: config.kubeconfig },
  });
  process.stdout.write(stdout);
  const problem =
    status === 0
      ? emptyAnswer(words, stderr)
      : (error?.message ?? (plan.accepted?.test(stderr) ? undefined : stderr.trim() || `exit code ${status}`));
  if (problem !== undefined) complain(problem);
}

/** A role or database that is there already was made by an earlier block. */
const THERE_ALREADY = new Set(["42710", "42P04", "42P06", "42723"]);

async function askPostgres(): Promise<void> {
  // Only here: kubectl is called often, and would wait for it each time.
  const [{ Client }, { clientOptions }] = await Promise.all([
    import("pg"),
    import("../../../src/database/connection.ts"),
  ]);
  const client = new Client(clientOptions(config.postgres, "documentation"));
  await client.connect();
  for (const [i, word] of words.entries()) {
    if (word !== "-c") continue;
    await client.query(words[i + 1] ?? "").catch((error: Error & { code?: string }) => {
      if (!THERE_ALREADY.has(error.code ?? "")) complain(error.message);
    });
  }
  await client.end();
}

if (program === "psql") await askPostgres();
else if (program === "kubectl" || program === "helm") ask(program);
