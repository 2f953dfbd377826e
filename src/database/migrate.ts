import type { TenantDatabaseNames } from "../api/names.ts";
import { databaseError, MigrationFailed } from "./errors.ts";
import { type AppliedMigration, type Migration, pendingMigrations } from "./migrations.ts";
import { actAs } from "./provisioning/apply.ts";
import { identifier } from "./quote.ts";
import type { Queryable } from "./session.ts";
import { classify } from "./sqlstate.ts";

/** Of one statement of a migration; applies to tables of all sizes. */
const STATEMENT_TIMEOUT_MS = 300_000;

export interface MigrationResult {
  /** The version before; 0: none. Equal to `to` if there was nothing to do. */
  from: number;
  to: number;
}

/** The migrations that a tenant's schema has; none if it does not exist yet. Acts as the owner for this moment. */
export async function appliedMigrations(client: Queryable, names: TenantDatabaseNames): Promise<AppliedMigration[]> {
  const { rows } = await client.query(
    "SELECT FROM pg_class WHERE relname = 'schema_version' AND relnamespace = to_regnamespace($1)",
    [names.schema],
  );
  if (rows.length === 0) return [];
  await actAs(client, names.owner);
  const applied = await client.query<AppliedMigration>(
    `SELECT version, checksum FROM ${identifier(names.schema)}.schema_version ORDER BY version`,
  );
  await actAs(client, "operator");
  return applied.rows;
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
): Promise<MigrationResult> {
  const applied = await appliedMigrations(client, names);
  const pending = pendingMigrations(applied, known, names.schema);
  const result = { from: known.length - pending.length, to: known.length };
  if (pending.length === 0) return result;
  await actAs(client, names.owner);
  await client.query(`SET LOCAL search_path = ${identifier(names.schema)}, pg_temp`);
  await client.query("SET LOCAL lock_timeout = '5s'");
  await client.query(`SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}`);
  await client.query(
    `CREATE TABLE IF NOT EXISTS schema_version (
       version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
  );
  for (const migration of pending) await applyMigration(client, names, migration);
  await client.query("SET LOCAL search_path = pg_catalog, pg_temp");
  await actAs(client, "operator");
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
    const kind = classify(error);
    if (kind === "unreachable" || kind === "busy") throw databaseError(error, title);
    throw new MigrationFailed(
      `${databaseError(error, title).message}; the schema stays at version ${version - 1}`,
      error,
    );
  }
  const { rows } = await client.query<{ role: string }>("SELECT current_user AS role");
  if (rows[0]?.role !== names.owner) {
    throw new MigrationFailed(
      `${title} ended the transaction or changed the role: take COMMIT, ROLLBACK and SET ROLE out of the file`,
    );
  }
}
