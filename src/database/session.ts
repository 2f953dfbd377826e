import type { Pool, PoolClient, QueryResult, QueryResultRow } from "pg";
import { type ConnectionSettings, createPool } from "./connection.ts";
import { DatabaseError, databaseError } from "./errors.ts";
import { assertEpoch } from "./leader-epoch.ts";
import { codeOf } from "./sqlstate.ts";

/** One connection, as far as the functions that hold SQL need it. */
export interface Queryable {
  /** `query_timeout`: how long to wait for the answer, in milliseconds, where the default is too short. */
  query<Row extends QueryResultRow = QueryResultRow>(
    text: string | { text: string; query_timeout: number },
    values?: unknown[],
  ): Promise<QueryResult<Row>>;
}

/** Time limits of the operator's own sessions, in milliseconds. A leader that hangs holds its epoch no longer than this. */
const LIMITS = {
  connectionTimeoutMillis: 5_000,
  query_timeout: 65_000,
  statement_timeout: 60_000,
  lock_timeout: 10_000,
  idle_in_transaction_session_timeout: 30_000,
};

/** The pool of the operator's admin connections. Names resolve in pg_catalog only, so nothing in `public` can be mistaken for a function of Postgres. */
export function operatorPool(settings: ConnectionSettings, onError: (error: Error) => void): Pool {
  const limits = { max: 8, min: 0, idleMs: 30_000, lifetimeSeconds: 600 };
  return createPool(settings, "agentpg-operator", onError, limits, {
    ...LIMITS,
    options: "-c search_path=pg_catalog,pg_temp",
  });
}

/** The operator's transactions. */
export class Sessions {
  readonly #pool: () => Pool;
  readonly #clusterUid: string;

  /** @param pool asked anew for each transaction, so that the pool can be exchanged */
  constructor(pool: () => Pool, clusterUid: string) {
    this.#pool = pool;
    this.#clusterUid = clusterUid;
  }

  /** Reads from one snapshot; the server refuses any write. */
  read<T>(doing: string, work: (client: Queryable) => Promise<T>): Promise<T> {
    return this.#transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", doing, work);
  }

  /** A transaction that commits only if `epoch` is still the leader's: an older leader gets {@link StaleEpoch}. */
  fenced<T>(epoch: number, doing: string, work: (client: Queryable) => Promise<T>): Promise<T> {
    return this.#transaction("BEGIN", doing, async (client) => {
      await assertEpoch(client, this.#clusterUid, epoch);
      return work(client);
    });
  }

  /** A transaction that checks no epoch: only for what makes the epoch itself. */
  unfenced<T>(doing: string, work: (client: Queryable) => Promise<T>): Promise<T> {
    return this.#transaction("BEGIN", doing, work);
  }

  async #transaction<T>(begin: string, doing: string, work: (client: Queryable) => Promise<T>): Promise<T> {
    let client: PoolClient | undefined;
    let broken = false;
    try {
      client = await this.#pool().connect();
      await client.query(begin);
      const result = await work(client);
      await client.query("COMMIT");
      return result;
    } catch (error) {
      broken = !(await rolledBack(client, error));
      throw databaseError(error, doing);
    } finally {
      client?.release(broken);
    }
  }
}

/** Ends the transaction so that the connection can be used again; false: it has to be thrown away. */
async function rolledBack(client: PoolClient | undefined, error: unknown): Promise<boolean> {
  const serverSpoke = error instanceof DatabaseError || codeOf(error) !== undefined;
  if (!client || !serverSpoke) return false;
  return client.query("ROLLBACK").then(
    () => true,
    () => false,
  );
}
