import { tenantDatabaseNames, type TenantDatabaseNames } from "../../api/names.ts";
import { SchemaNotMigrated } from "../errors.ts";
import { actAs } from "../provisioning/apply.ts";
import { identifier } from "../quote.ts";
import type { TenantRecord } from "../registry.ts";
import type { Queryable } from "../session.ts";

/** The migration that made what this folder reads and writes. */
const NEEDED_VERSION = 2;

/** Time limits of a transaction's statements, in milliseconds. */
export interface StatementLimits {
  lockMs: number;
  statementMs: number;
}

/**
 * Acts as the tenant's owner, with its tables in the search path, until the transaction ends.
 * @throws SchemaNotMigrated
 */
export async function enterSchema(
  client: Queryable,
  tenant: TenantRecord,
  limits?: StatementLimits,
): Promise<TenantDatabaseNames> {
  if (tenant.schemaVersion < NEEDED_VERSION)
    throw new SchemaNotMigrated(
      `the schema of Tenant ${tenant.name} is at migration ${tenant.schemaVersion}, and this needs ${NEEDED_VERSION}: see its condition MigrationsCurrent`,
    );
  const names = tenantDatabaseNames(tenant.id);
  await actAs(client, names.owner);
  await client.query(`SET LOCAL search_path = ${identifier(names.schema)}, pg_temp`);
  if (limits) {
    await client.query(`SET LOCAL lock_timeout = ${Math.round(limits.lockMs)}`);
    await client.query(`SET LOCAL statement_timeout = ${Math.round(limits.statementMs)}`);
  }
  return names;
}
