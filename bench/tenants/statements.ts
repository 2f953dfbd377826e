import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";

/** What a piece of work costs the server: statements that were run (BEGIN and COMMIT among them), and transactions that wrote. */
export interface Cost {
  statements: number;
  writes: number;
}

/** A superuser's view of the server, as pg_stat_statements and the transaction counter give it. */
export async function openMeter(superuser: ConnectionSettings) {
  const client = new Client(clientOptions(superuser, "bench meter"));
  client.on("error", () => {}); // the server goes at the end; a query that it breaks fails
  await client.connect();
  await client.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
  const count = async <K extends string>(sql: string) => Number((await client.query<{ n: K }>(sql)).rows[0]?.n);
  const nextWrite = () => count("SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS n");
  return {
    client,
    /** Autovacuum is off meanwhile: it writes too. */
    async measure(work: () => Promise<void>): Promise<Cost> {
      await setAutovacuum(client, "off");
      await client.query("SELECT pg_stat_statements_reset()");
      const before = await nextWrite();
      await work();
      const writes = (await nextWrite()) - before;
      const statements = await count(
        "SELECT coalesce(sum(calls), 0) AS n FROM pg_stat_statements WHERE userid <> current_user::regrole",
      );
      const lost = await count("SELECT dealloc AS n FROM pg_stat_statements_info");
      if (lost > 0) throw new Error("pg_stat_statements lost statements: raise pg_stat_statements.max");
      await setAutovacuum(client, "on");
      return { statements, writes };
    },
    close: () => client.end(),
  };
}
export type Meter = Awaited<ReturnType<typeof openMeter>>;

async function setAutovacuum(client: Client, value: "on" | "off"): Promise<void> {
  await client.query(`ALTER SYSTEM SET autovacuum = ${value}`);
  await client.query("SELECT pg_reload_conf()");
  const deadline = Date.now() + 60_000;
  // A worker that runs goes through all tables of the database before it ends by itself.
  const busy = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'
                UNION ALL SELECT false FROM pg_settings WHERE name = 'autovacuum' AND setting <> $1`;
  if (value === "on") return;
  while ((await client.query(busy, [value])).rowCount) {
    if (Date.now() > deadline) throw new Error("autovacuum is still at work after 60 s");
    await sleep(100);
  }
}
