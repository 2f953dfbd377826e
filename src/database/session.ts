import type { Pool, PoolClient, QueryResult, QueryResultRow } from "pg";
import { type ConnectionSettings, createPool } from "./connection.ts";
import { DatabaseError, databaseError, TenantNotProvisioned } from "./errors.ts";
import { assertEpoch } from "./leader-epoch.ts";
import { lockTenant, ownDatabase, refuseIfHeldByOther, type TenantRecord, tenantByUid } from "./registry.ts";
import { refuseReadOnly, refuseUnknownSetting, refuseUnsupportedServer } from "./server-state.ts";
import { codeOf } from "./sqlstate.ts";
import type { TenantDatabases } from "./tenant-databases.ts";

/** One connection, as far as the functions that hold SQL need it. */
export interface Queryable {
  /**
   * `query_timeout`: how long to wait for the answer, in milliseconds, where the default is too short · `name`: prepares the
   * statement once for each connection.
   */
  query<Row extends QueryResultRow = QueryResultRow>(
    text: string | { text: string; query_timeout?: number; name?: string },
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

/** In a tenant's own database: shorter than that of the fence beside it, which is asked after the last statement here. */
const IDLE_IN_OWN_DATABASE = "SET LOCAL idle_in_transaction_session_timeout = 20000";
/** How often the fence says that this process lives, in milliseconds; well within its idle limit. */
const FENCE_BEAT_MS = 8_000;

const READ_ONLY = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/** The operator's transactions. */
export class Sessions {
  readonly #pool: () => Pool;
  readonly #clusterUid: string;
  readonly #databases: TenantDatabases;

  /**
   * @param pool of the operator's own database; asked anew for each transaction, so that the pool can be exchanged
   * @param databases to all others
   */
  constructor(pool: () => Pool, clusterUid: string, databases: TenantDatabases) {
    this.#pool = pool;
    this.#clusterUid = clusterUid;
    this.#databases = databases;
  }

  /** Reads from one snapshot; the server refuses any write. */
  read<T>(doing: string, work: (client: Queryable) => Promise<T>): Promise<T> {
    return transaction(this.#pool(), READ_ONLY, doing, work);
  }

  /** As {@link read}, of what the caller may have to write to. @throws DatabaseReadOnly where that could not be done */
  readToWrite<T>(doing: string, work: (client: Queryable) => Promise<T>): Promise<T> {
    return this.read(doing, (client) => {
      refuseReadOnly(client);
      return work(client);
    });
  }

  /** A transaction that commits only if `epoch` is still the leader's: an older leader gets {@link StaleEpoch}. */
  fenced<T>(epoch: number, doing: string, work: (client: Queryable) => Promise<T>): Promise<T> {
    return transaction(this.#pool(), "BEGIN", doing, async (client) => {
      await assertEpoch(client, this.#clusterUid, epoch);
      return work(client);
    });
  }

  /**
   * Reads where the tenant's schema is, from one snapshot.
   * @throws TenantNotProvisioned unless the Tenant has an active claim
   */
  async readTenant<T>(
    uid: string,
    doing: string,
    work: (client: Queryable, tenant: TenantRecord) => Promise<T>,
  ): Promise<T> {
    type Found = { tenant: TenantRecord; database: string } | { result: T };
    const found = await this.read(doing, async (client): Promise<Found> => {
      const tenant = activeTenant(await tenantByUid(client, uid), uid);
      const database = ownDatabase(tenant);
      return database ? { tenant, database } : { result: await work(client, tenant) };
    });
    if ("result" in found) return found.result;
    return this.readDatabase(found.database, doing, (client) => work(client, found.tenant));
  }

  /** Reads from another database of the server. */
  readDatabase<T>(database: string, doing: string, work: (client: Queryable) => Promise<T>): Promise<T> {
    return this.#databases.use(database, (pool) => transaction(pool, READ_ONLY, doing, work));
  }

  /**
   * Writes where the tenant's schema is, under the epoch of the leader and the lock of the tenant's claim. `registry` is the
   * operator's own database. Where the tenant has its own, that commits first: `work` has to be one that may come again.
   * @throws TenantNotProvisioned unless the Tenant has an active claim, HeldByOtherOperator if it is not this operator's
   */
  writeTenant<T>(
    uid: string,
    epoch: number,
    doing: string,
    work: (client: Queryable, tenant: TenantRecord, registry: Queryable) => Promise<T>,
  ): Promise<T> {
    return this.fenced(epoch, doing, async (registry) => {
      const tenant = activeTenant(await lockTenant(registry, uid), uid);
      refuseIfHeldByOther(tenant, this.#clusterUid);
      const database = ownDatabase(tenant);
      if (!database) return work(registry, tenant, registry);
      return this.#besideFence(registry, database, doing, (client) => work(client, tenant, registry));
    });
  }

  /**
   * Writes rows where the tenant's schema is, as anybody with its login may: under no leader's epoch, and under no lock of its claim.
   * Never for rights, tables or the registry.
   * @throws TenantNotProvisioned unless the Tenant has an active claim, HeldByOtherOperator if it is not this operator's
   */
  async writeRows<T>(
    uid: string,
    doing: string,
    work: (client: Queryable, tenant: TenantRecord) => Promise<T>,
  ): Promise<T> {
    const tenant = await this.read(doing, async (client) => activeTenant(await tenantByUid(client, uid), uid));
    refuseIfHeldByOther(tenant, this.#clusterUid);
    const write = (pool: Pool) => transaction(pool, "BEGIN", doing, (client) => work(client, tenant));
    const database = ownDatabase(tenant);
    return database ? this.#databases.use(database, write) : write(this.#pool());
  }

  /**
   * Runs a statement that Postgres takes in no transaction, in the operator's own database, while `fence`, a fenced transaction,
   * is open. A process that stands still between the two may send it late: it must do no harm then.
   */
  async alone(fence: Queryable, doing: string, sql: string): Promise<void> {
    await this.#databases.use(undefined, (pool) =>
      beating(fence, async () => {
        const client = await pool.connect().catch((error: unknown) => Promise.reject(databaseError(error, doing)));
        await client
          .query(sql)
          .catch((error: unknown) => Promise.reject(databaseError(error, doing)))
          .finally(() => client.release(true));
      }),
    );
    await fence.query("SELECT");
  }

  /** Ends the operator's connections to another database. */
  leaveDatabase(database: string): Promise<void> {
    return this.#databases.forget(database);
  }

  /** A transaction that checks no epoch: only for what makes the epoch itself. */
  unfenced<T>(doing: string, work: (client: Queryable) => Promise<T>): Promise<T> {
    return transaction(this.#pool(), "BEGIN", doing, work);
  }

  /**
   * A transaction in another database, which no lock of this one guards. The fence is asked after its last statement, and it waits
   * for its COMMIT a shorter time than the fence stands: a COMMIT that comes after the fence fell finds no transaction.
   */
  #besideFence<T>(
    fence: Queryable,
    database: string,
    doing: string,
    work: (client: Queryable) => Promise<T>,
  ): Promise<T> {
    return this.#databases.use(database, (pool) =>
      transaction(pool, "BEGIN", doing, async (client) => {
        await client.query(IDLE_IN_OWN_DATABASE);
        const result = await beating(fence, () => work(client));
        await fence.query("SELECT");
        return result;
      }),
    );
  }
}

/** Keeps the fence from being idle for too long while `work` goes on elsewhere. */
async function beating<T>(fence: Queryable, work: () => Promise<T>): Promise<T> {
  // Whether it broke is asked when the work is done.
  const timer = setInterval(() => void fence.query("SELECT").catch(() => {}), FENCE_BEAT_MS);
  return work().finally(() => clearInterval(timer));
}

async function transaction<T>(
  pool: Pool,
  begin: string,
  doing: string,
  work: (client: Queryable) => Promise<T>,
): Promise<T> {
  let client: PoolClient | undefined;
  let broken = false;
  try {
    client = await pool.connect().catch(refuseUnknownSetting);
    refuseUnsupportedServer(client);
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

/** Ends the transaction so that the connection can be used again; false: it has to be thrown away. */
async function rolledBack(client: PoolClient | undefined, error: unknown): Promise<boolean> {
  const serverSpoke = error instanceof DatabaseError || codeOf(error) !== undefined;
  if (!client || !serverSpoke) return false;
  return client.query("ROLLBACK").then(
    () => true,
    () => false,
  );
}

function activeTenant(record: TenantRecord | undefined, uid: string): TenantRecord {
  if (record?.state === "active") return record;
  throw new TenantNotProvisioned(
    record
      ? `Tenant ${record.name} is ${record.state} in the database: there is nothing to do for it there`
      : `the Tenant with UID ${uid} has no schema in the database yet: wait until its condition DatabaseReady is True`,
  );
}
