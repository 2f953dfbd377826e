import { fork } from "node:child_process";
import { Client } from "pg";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";
import type { TestPostgres } from "../../test/support/postgres.ts";
import { BOUND_SESSIONS, type BoundStatement, boundStatements } from "./bound-statements.ts";

interface Part {
  settings: ConnectionSettings;
  tools: number;
  clients: number;
  seconds: number;
  firstClient: number;
}

/** With the wire's own parameters, and a name so that it is parsed once a connection. */
function prepared({ sql, gives }: BoundStatement, n: number) {
  const names: string[] = [];
  const text = sql.replaceAll(/(?<!:):([a-z]\w*)/g, (_, name: string) => {
    if (!names.includes(name)) names.push(name);
    return `$${names.indexOf(name) + 1}`;
  });
  return { name: `bound_${n}`, text, names, gives: gives ?? [] };
}

async function oneClient(part: Part, number: number, until: number): Promise<number> {
  const client = new Client(clientOptions(part.settings, "bench bound"));
  await client.connect();
  const statements = boundStatements(part.tools).map(prepared);
  let runs = 0;
  for (; Date.now() < until; runs++) {
    const variables: Record<string, unknown> = {
      client_id: number,
      sid: 1 + Math.floor(Math.random() * BOUND_SESSIONS),
    };
    for (const { names, gives, ...query } of statements) {
      const { rows } = await client.query({ ...query, values: names.map((name) => variables[name]) });
      for (const name of gives) variables[name] = rows[0][name];
    }
  }
  await client.end();
  return runs;
}

/** Runs a second by two processes of Node that send the statements, as pgbench would. */
export async function replay(postgres: TestPostgres, tools: number, clients: number, seconds: number): Promise<number> {
  const half = Math.ceil(clients / 2);
  const settings: ConnectionSettings = { ...postgres.adminSettings("bound"), tls: "disable" };
  const parts = [0, 1].map((n): Part => ({ settings, tools, clients: half, seconds, firstClient: n * half }));
  const counts = await Promise.all(
    parts.map(
      (part) =>
        new Promise<number>((resolve, reject) => {
          const child = fork(import.meta.filename, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
          child.once("message", (runs) => resolve(Number(runs)));
          child.once("exit", (code) => code && reject(new Error(`the limit could not be taken: exit code ${code}`)));
          child.send(part);
        }),
    ),
  );
  return counts.reduce((sum, runs) => sum + runs, 0) / seconds;
}

async function work(part: Part): Promise<void> {
  const until = Date.now() + part.seconds * 1000;
  const runs = await Promise.all(
    Array.from({ length: part.clients }, (_, n) => oneClient(part, part.firstClient + n, until)),
  );
  process.send?.(runs.reduce((sum, it) => sum + it, 0));
  process.disconnect();
}

if (import.meta.main) process.once("message", (part) => void work(part as Part));
