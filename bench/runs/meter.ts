import { Client } from "pg";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";

/** Counters of the server at one moment; what lies between two of them is the cost of the work between. */
export interface Counters {
  /** Statements of one login, BEGIN and COMMIT among them. */
  statements: number;
  walBytes: number;
  /** Of which pages in full, as the first change after a checkpoint writes them; in bytes of 8 KiB pages at most. */
  fullPageImages: number;
}

/** A superuser's look at the server. */
export async function openMeter(superuser: ConnectionSettings) {
  const client = new Client(clientOptions(superuser, "bench meter"));
  client.on("error", () => {}); // the server goes at the end; a query that it breaks fails
  await client.connect();
  await client.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
  return {
    client,
    /** Does what the server would else do in the midst of what is measured: an autovacuum of earlier rows writes each of their pages in full. */
    async settle(): Promise<void> {
      await client.query("VACUUM (ANALYZE)");
      await client.query("CHECKPOINT");
    },
    /** @param login whose statements count */
    async read(login: string): Promise<Counters> {
      const { rows } = await client.query<Record<keyof Counters, string>>(
        `SELECT (SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE userid = $1::regrole) AS "statements",
                pg_current_wal_insert_lsn() - '0/0' AS "walBytes", (SELECT wal_fpi FROM pg_stat_wal) AS "fullPageImages"`,
        [login],
      );
      const [row] = rows as [Record<keyof Counters, string>];
      return {
        statements: Number(row.statements),
        walBytes: Number(row.walBytes),
        fullPageImages: Number(row.fullPageImages),
      };
    },
    /** The statements of a login by how often they were run, for someone who wants fewer. */
    async topStatements(login: string): Promise<{ calls: number; query: string }[]> {
      const { rows } = await client.query<{ calls: string; query: string }>(
        `SELECT calls, left(regexp_replace(query, '\\s+', ' ', 'g'), 110) AS query FROM pg_stat_statements
         WHERE userid = $1::regrole ORDER BY calls DESC LIMIT 15`,
        [login],
      );
      return rows.map((it) => ({ calls: Number(it.calls), query: it.query }));
    },
    reset: () => client.query("SELECT pg_stat_statements_reset()"),
    close: () => client.end(),
  };
}
export type Meter = Awaited<ReturnType<typeof openMeter>>;
