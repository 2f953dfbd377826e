import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { startPostgres, type TestPostgres } from "../../test/support/postgres.ts";

/** As one would run it: what makes a commit durable is on. */
const PRODUCTION = {
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",
  shared_buffers: "256MB",
  max_wal_size: "8GB",
  checkpoint_timeout: "30min",
  max_connections: "500",
  "pg_stat_statements.max": "50000",
};

/** A throw-away server with durability on. Plain text is offered too, for the limit: pgbench is not to pay for TLS. */
export const startBenchPostgres = (): Promise<TestPostgres> => startPostgres({ tls: "offered", settings: PRODUCTION });

export async function postmasterOf(postgres: TestPostgres): Promise<number> {
  const text = await readFile(join(postgres.dataDirectory, "postmaster.pid"), "utf8");
  return Number(text.split("\n", 1)[0]);
}
