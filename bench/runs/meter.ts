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

interface LogShare {
  relation: string;
  record: string;
  bytes: number;
  fullPages: number;
}

/** A superuser's look at the server. */
export async function openMeter(superuser: ConnectionSettings) {
  const client = new Client(clientOptions(superuser, "bench meter"));
  client.on("error", () => {}); // the server goes at the end; a query that it breaks fails
  await client.connect();
  await client.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
  let resetAt = "0/0";
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
    /**
     * What the server wrote to its log since `reset`, for someone who wants less: of every database; a relation of another one
     * is named by its file.
     */
    async topWal(): Promise<LogShare[]> {
      await client.query("CREATE EXTENSION IF NOT EXISTS pg_walinspect");
      const { rows } = await client.query<LogShare>(
        `SELECT coalesce(relname, w.relfilenode::text) AS relation, resource_manager || ' ' || record_type AS record,
                coalesce(sum(record_length) FILTER (WHERE block_id = 0), 0)::float8 AS bytes,
                (count(*) FILTER (WHERE block_fpi_length > 0))::integer AS "fullPages"
         FROM pg_get_wal_block_info($1, pg_current_wal_flush_lsn(), false) w LEFT JOIN pg_class c ON c.relfilenode = w.relfilenode
         GROUP BY 1, 2 ORDER BY bytes DESC LIMIT 20`,
        [resetAt],
      );
      return rows;
    },
    async reset(): Promise<void> {
      await client.query("SELECT pg_stat_statements_reset()");
      const { rows } = await client.query<{ lsn: string }>("SELECT pg_current_wal_insert_lsn() AS lsn");
      resetAt = rows[0]?.lsn ?? resetAt;
    },
    close: () => client.end(),
  };
}
export type Meter = Awaited<ReturnType<typeof openMeter>>;
