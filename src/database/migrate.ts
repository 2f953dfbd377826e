import type { TenantDatabaseNames } from "../api/names.ts";
import { databaseError, DatabaseOutage, MigrationFailed } from "./errors.ts";
import { type AppliedMigration, type Migration, type MigrationGate, pendingMigrations } from "./migrations.ts";
import { actAs, readAs } from "./provisioning/apply.ts";
import { identifier } from "./quote.ts";
import type { Queryable } from "./session.ts";

/** Of one statement of a migration; applies to tables of all sizes. */
const STATEMENT_TIMEOUT_MS = 300_000;
/** While a migration waits for a table, the tenant's own queries queue up behind it. Rather give up and come again. */
const LOCK_TIMEOUT_MS = 1_000;

export interface MigrationResult {
  /** The version before; 0: none. Equal to `to` if there was nothing to do. */
  from: number;
  to: number;
  /** Migrations that the gate keeps back. */
  pending: number;
}

/** Says which migrations a schema has. */
export const VERSION_TABLE = "schema_version";

/** The migrations that a tenant's schema has; none if it does not exist yet. Acts as the owner for this moment. */
export async function appliedMigrations(client: Queryable, names: TenantDatabaseNames): Promise<AppliedMigration[]> {
  const { rows } = await client.query(
    "SELECT FROM pg_class WHERE relname = 'schema_version' AND relnamespace = to_regnamespace($1)",
    [names.schema],
  );
  if (rows.length === 0) return [];
  const applied = await migrationsOfOwner(client, names);
  await actAs(client, "operator");
  return applied;
}

/** The migrations of a schema that has any. The transaction goes on as the owner. */
export async function migrationsOfOwner(client: Queryable, names: TenantDatabaseNames): Promise<AppliedMigration[]> {
  return readAs<AppliedMigration>(
    client,
    names.owner,
    `SELECT version, checksum FROM ${identifier(names.schema)}.schema_version ORDER BY version`,
  );
}

/**
 * Brings the tenant's schema to the newest version, in the caller's transaction: all or nothing. The row of a version is
 * written before its SQL runs, so that of two programs at once the second waits and then fails instead of running it twice.
 * @throws MigrationFailed if a migration's SQL fails
 */
export async function migrate(
  client: Queryable,
  names: TenantDatabaseNames,
  known: readonly Migration[],
  mayMigrate: MigrationGate,
): Promise<MigrationResult> {
  const applied = await appliedMigrations(client, names);
  const pending = pendingMigrations(applied, known, names.schema);
  const from = known.length - pending.length;
  const result = { from, to: known.length, pending: 0 };
  if (pending.length === 0) return result;
  if (from > 0 && !mayMigrate({ id: names.schema, from, to: known.length }))
    return { from, to: from, pending: pending.length };
  await actAs(client, names.owner);
  // One round trip: with thousands of tenants each of them counts.
  await client.query(
    `SET LOCAL search_path = ${identifier(names.schema)}, pg_temp;
     SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS};
     SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS};
     CREATE TABLE IF NOT EXISTS schema_version (
       version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
  );
  for (const migration of pending) await applyMigration(client, names, migration);
  await client.query("SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL ROLE NONE");
  return result;
}

async function applyMigration(
  client: Queryable,
  names: TenantDatabaseNames,
  { version, name, checksum, sql }: Migration,
): Promise<void> {
  const title = `migration ${version} (${name}) of schema ${names.schema}`;
  try {
    await client.query("INSERT INTO schema_version (version, name, checksum) VALUES ($1, $2, $3)", [
      version,
      name,
      checksum,
    ]);
    await client.query({ text: sql, query_timeout: STATEMENT_TIMEOUT_MS + 5_000 });
  } catch (error) {
    const failure = databaseError(error, title);
    if (failure instanceof DatabaseOutage) throw failure;
    throw new MigrationFailed(`${failure.message}; the schema stays at version ${version - 1}`, error);
  }
  const { rows } = await client.query<{ role: string }>("SELECT current_user AS role");
  if (rows[0]?.role !== names.owner) {
    throw new MigrationFailed(
      `${title} ended the transaction or changed the role: take COMMIT, ROLLBACK and SET ROLE out of the file`,
    );
  }
}
