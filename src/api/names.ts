/**
 * The vocabulary of names. A branded string has passed its check once, at the edge;
 * functions that build SQL or Kubernetes objects take the brand, so an unchecked string cannot reach them.
 */
declare const brand: unique symbol;
type Brand<Name extends string> = string & { readonly [brand]: Name };

/** A Postgres schema of one tenant: `t_` and 12 hex digits (opaque: it tells nothing about the tenant). */
export type SchemaName = Brand<"SchemaName">;
/** A Postgres role of one tenant: the schema's name and a suffix (`_owner`, `_rw`, `_a`, `_b`, `_tool`). */
export type RoleName = Brand<"RoleName">;

const SCHEMA = /^t_[0-9a-f]{12}(_data)?$/;
const ROLE = /^t_[0-9a-f]{12}_(owner|rw|tool|a|b)$/;

function checked<T extends string>(value: string, pattern: RegExp, what: string): T {
  if (!pattern.test(value)) throw new TypeError(`not a ${what}: ${JSON.stringify(value)}`);
  return value as T;
}

export const schemaName = (value: string): SchemaName => checked(value, SCHEMA, "tenant schema name (t_<12 hex>)");
export const roleName = (value: string): RoleName => checked(value, ROLE, "tenant role name (t_<12 hex>_<kind>)");

/** The roles and schemas of a tenant, all derived from its opaque id. */
export interface TenantDatabaseNames {
  /** Holds the sessions, runs and messages. */
  schema: SchemaName;
  /** Holds the tenant's own tables, which its `sql` tools read; nothing of AgentPG's is in there. */
  dataSchema: SchemaName;
  /** NOLOGIN; owns everything. */
  owner: RoleName;
  /** NOLOGIN; USAGE and DML on `schema`, no DDL. */
  readWrite: RoleName;
  /** NOLOGIN; SELECT on `dataSchema` only. An `sql` tool runs as this role. */
  tool: RoleName;
  /** The two logins; one is active at a time, the other stands by for a rotation. */
  logins: { a: RoleName; b: RoleName };
}

/** @throws TypeError unless `id` is `t_` and 12 hex digits */
export function tenantDatabaseNames(id: string): TenantDatabaseNames {
  return {
    schema: schemaName(id),
    dataSchema: schemaName(`${id}_data`),
    owner: roleName(`${id}_owner`),
    readWrite: roleName(`${id}_rw`),
    tool: roleName(`${id}_tool`),
    logins: { a: roleName(`${id}_a`), b: roleName(`${id}_b`) },
  };
}
