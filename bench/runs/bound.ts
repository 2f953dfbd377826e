import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { clientOptions } from "../../src/database/connection.ts";
import type { TestPostgres } from "../../test/support/postgres.ts";
import { BOUND_SCHEMA, boundScript } from "./bound-statements.ts";
import { replay } from "./bound-replay.ts";

/** The least SQL that a run needs, in runs a second: without tools, and with two tool calls. */
export interface Bound {
  by: "pgbench" | "replay";
  plain: number;
  tools: number;
}

/** Where pgbench is: a Postgres of the machine, as the one that comes with this package has none. */
export function findPgbench(): string | undefined {
  if (spawnSync("pgbench", ["--version"]).status === 0) return "pgbench";
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).toSorted((a, b) => Number(b) - Number(a)) : [];
  return versions.map((it) => join(root, it, "bin", "pgbench")).find((it) => existsSync(it));
}

async function run(postgres: TestPostgres, database: string, ...statements: string[]): Promise<void> {
  const client = new Client(clientOptions(postgres.adminSettings(database), "bench bound"));
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

const dropDatabase = (postgres: TestPostgres) =>
  run(postgres, "postgres", "DROP DATABASE IF EXISTS bound WITH (FORCE)");

async function freshDatabase(postgres: TestPostgres): Promise<void> {
  await dropDatabase(postgres);
  await run(postgres, "postgres", "CREATE DATABASE bound");
  await run(postgres, "bound", BOUND_SCHEMA, "CHECKPOINT");
}

function pgbench(program: string, postgres: TestPostgres, script: string, clients: number, seconds: number): number {
  const { host, port, adminUser, adminPassword } = postgres;
  const at = ["-h", host, "-p", String(port), "-U", adminUser];
  const load = ["-n", "-M", "prepared", "-c", String(clients), "-j", "2", "-T", String(seconds), "-f", script];
  const env = { ...process.env, PGPASSWORD: adminPassword, PGSSLMODE: "disable" };
  const result = spawnSync(program, [...at, ...load, "bound"], { env, encoding: "utf8" });
  const found = /tps = ([\d.]+)/.exec(result.stdout);
  if (!found) throw new Error(`pgbench failed: ${result.stderr}`);
  return Number(found[1]);
}

/**
 * Takes the limit on this server: with pgbench where there is one, else by sending the same statements. Its database does not stay:
 * an autovacuum of these rows, a minute later, would write each of their pages in full, into the log that a later cell measures.
 */
export async function measureBound(
  postgres: TestPostgres,
  folder: string,
  { clients, seconds }: { clients: number; seconds: number },
): Promise<Bound> {
  const program = findPgbench();
  const take = async (tools: number): Promise<number> => {
    await freshDatabase(postgres);
    if (!program) return replay(postgres, tools, clients, seconds);
    await mkdir(folder, { recursive: true });
    const script = join(folder, `bound-${tools}.sql`);
    await writeFile(script, boundScript(tools));
    pgbench(program, postgres, script, clients, 2); // warms up
    return pgbench(program, postgres, script, clients, seconds);
  };
  try {
    return { by: program ? "pgbench" : "replay", plain: await take(0), tools: await take(2) };
  } finally {
    await dropDatabase(postgres);
  }
}
