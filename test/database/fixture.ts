import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type Pool, type QueryResultRow } from "pg";
import { tenantDatabaseNames, type TenantDatabaseNames } from "../../src/api/names.ts";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";
import { operatorPool } from "../../src/database/session.ts";
import { codeOf } from "../../src/database/sqlstate.ts";
import {
  createTenantDatabase,
  type TenantDatabase,
  type TenantDatabaseOptions,
  type TenantRequest,
} from "../../src/database/tenants.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import type { PostgresAccess } from "../support/postgres.ts";

/** A program's worth of migrations: two tables, a sequence, a function; small, so that sweeps stay quick. */
export const MIGRATIONS: Record<string, string> = {
  "0001_things.sql": `CREATE TABLE things (id integer PRIMARY KEY, note text);
    CREATE TABLE audit (seq bigint PRIMARY KEY, record text);
    CREATE SEQUENCE numbers;
    CREATE FUNCTION answer() RETURNS integer LANGUAGE sql AS 'SELECT 42';`,
};

const folders: string[] = [];
/** A folder with these files; removed by {@link closeDatabases}. */
export async function migrationFolder(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-migrations-"));
  folders.push(folder);
  for (const [name, sql] of Object.entries(files)) await writeFile(join(folder, name), sql);
  return folder;
}

const opened = new Set<TenantDatabase>();
/** For `afterAll`. */
export async function closeDatabases(): Promise<void> {
  await Promise.all([...opened].map((database) => database.close()));
  opened.clear();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
}

/** Closed by {@link closeDatabases}. */
export async function openDatabase(
  admin: ConnectionSettings,
  options: Partial<TenantDatabaseOptions> = {},
): Promise<TenantDatabase> {
  const migrationsDir = options.migrationsDir ?? (await migrationFolder(MIGRATIONS));
  const database = await createTenantDatabase({
    clusterUid: "cluster-1",
    logger: silentLogger,
    ...options,
    admin,
    migrationsDir,
  });
  opened.add(database);
  return database;
}

export const aTenant = (more: Partial<TenantRequest> = {}): TenantRequest => {
  const uid = randomUUID();
  return { uid, name: `tenant-${uid}`, namespace: "acme", connectionLimit: 5, ...more };
};

/** A database of its own on the server, with an operator that leads. */
export async function aLeader(postgres: PostgresAccess, options: Partial<TenantDatabaseOptions> = {}) {
  const admin = await postgres.createOperatorRole();
  const database = await openDatabase(admin, options);
  await database.bootstrap();
  return { admin, database, epoch: await database.acquireEpoch("leader") };
}

/** A provisioned tenant with a password that works. */
export async function provisioned(
  leader: { database: TenantDatabase; epoch: number },
  request: TenantRequest = aTenant(),
) {
  const { names } = await leader.database.ensure(request, leader.epoch);
  const { connection } = await leader.database.ensurePassword(request, undefined, leader.epoch);
  return { request, names, connection };
}

/** A connection that stays open until `close()`. */
export async function held(
  settings: ConnectionSettings,
): Promise<{ client: Client; isOpen(): boolean; close(): Promise<void> }> {
  const client = new Client(clientOptions(settings, "test"));
  let open = true;
  client.on("error", () => (open = false)).on("end", () => (open = false));
  await client.connect();
  return { client, isOpen: () => open, close: () => client.end() };
}

/** Runs statements on a connection of its own. */
export async function run<Row extends QueryResultRow = QueryResultRow>(
  settings: ConnectionSettings,
  sql: string,
  values?: unknown[],
): Promise<Row[]> {
  return withClient(settings, async (client) => {
    const result = await client.query<Row>(sql, values);
    // A text of several statements gives a list of results: the last one counts.
    return (Array.isArray(result) ? result.at(-1) : result).rows;
  });
}

export async function withClient<T>(settings: ConnectionSettings, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(clientOptions(settings, "test"));
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The SQLSTATE (or system code) with which it fails, or "no error". */
export async function codeOfFailure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no error",
    (error) => codeOf(error) ?? String(error),
  );
}

/** The number of the next transaction that writes: unchanged means that nothing was written. Needs `autovacuum=off`. */
export async function nextWrite(settings: ConnectionSettings): Promise<string> {
  const [row] = await run<{ xid: string }>(settings, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xid");
  return row?.xid ?? "";
}

/** What there is of a tenant, by the server's own account. */
export async function remains(superuser: ConnectionSettings, id: string): Promise<string[]> {
  const names: TenantDatabaseNames = tenantDatabaseNames(id);
  const rows = await run<{ name: string }>(
    superuser,
    `SELECT rolname AS name FROM pg_roles WHERE starts_with(rolname, $1)
     UNION ALL SELECT nspname FROM pg_namespace WHERE starts_with(nspname, $1)
     UNION ALL SELECT 'default privileges' FROM pg_default_acl WHERE pg_get_userbyid(defaclrole) = $2
     UNION ALL SELECT 'database ' || datname FROM pg_database WHERE datname = $1
     UNION ALL SELECT 'registry' FROM agentpg_operator.tenant WHERE id = $1`,
    [id, names.owner],
  );
  return rows.map((row) => row.name);
}

export interface Fault {
  /** Breaks the connection before the n-th statement is sent, counted from 1; or after COMMIT number n, so that its answer is lost. */
  at: number;
  after?: "COMMIT";
}

/** A pool whose connections break once, at one statement. `count()` is the number of statements (or COMMITs) so far. */
export function breakingPool(fault: Fault) {
  let count = 0;
  const openPool = (settings: ConnectionSettings, onError: (error: Error) => void): Pool => {
    const pool = operatorPool(settings, onError);
    pool.on("connect", (client) => {
      const send = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
      const kill = () =>
        (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
      client.query = (async (...args: unknown[]) => {
        const counted = !fault.after || args[0] === fault.after;
        const isFault = counted && ++count === fault.at;
        if (isFault && !fault.after) kill();
        const result = await send(...args);
        if (!isFault) return result;
        kill();
        throw new Error("the answer was lost");
      }) as typeof client.query;
    });
    return pool;
  };
  return { openPool, count: () => count };
}
