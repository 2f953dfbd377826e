import { roleName, type RoleName, schemaName, type TenantDatabaseNames } from "../../api/names.ts";
import { type CatalogName, catalogName } from "../quote.ts";
import type { Queryable } from "../session.ts";
import { allRoles } from "./desired.ts";
import { observeObjects } from "./observe-objects.ts";
import { observeRowSecurity } from "./observe-row-security.ts";
import type { ObservedMembership, ObservedRole, ObservedTenant } from "./state.ts";

/**
 * Reads from pg_catalog, by OID, what there is of a tenant. Never information_schema: its views join over all roles
 * and hide what the reader has no rights on.
 */
export async function observeTenant(client: Queryable, names: TenantDatabaseNames): Promise<ObservedTenant> {
  const { rows } = await client.query<{ name: string; superuser: boolean }>(
    "SELECT rolname AS name, rolsuper AS superuser FROM pg_roles WHERE rolname = current_user",
  );
  const { roles, oids } = await observeRoles(client, names);
  const schemas = await client.query<{ oid: number }>("SELECT oid FROM pg_namespace WHERE nspname = ANY($1)", [
    [names.schema, names.dataSchema],
  ]);
  const schemaOids = schemas.rows.map((row) => row.oid);
  return {
    operator: { name: catalogName(rows[0]?.name ?? ""), superuser: rows[0]?.superuser ?? false },
    roles,
    memberships: await observeMemberships(client, [...oids.values()]),
    objects: await observeObjects(client, names, schemaOids, oids),
    rowSecurity: await observeRowSecurity(client, schemaName(names.schema)),
  };
}

interface RoleRow extends Omit<ObservedRole, "name" | "settings"> {
  oid: number;
  name: string;
  settings: string[];
}

async function observeRoles(
  client: Queryable,
  names: TenantDatabaseNames,
): Promise<{ roles: ObservedRole[]; oids: Map<RoleName, number> }> {
  const { rows } = await client.query<RoleRow>(
    `SELECT r.oid, r.rolname AS name, rolsuper AS superuser, rolcreaterole AS "createRole", rolcreatedb AS "createDatabase",
            rolreplication AS replication, rolbypassrls AS "bypassRls", rolcanlogin AS login, rolconnlimit AS "connectionLimit",
            coalesce(rolvaliduntil <> 'infinity', false) AS expires,
            coalesce(rolconfig, '{}') AS settings,
            ARRAY(SELECT split_part(setting, '=', 1) FROM pg_db_role_setting s, unnest(s.setconfig) AS setting
                   WHERE s.setrole = r.oid AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())) AS "databaseSettings"
       FROM pg_roles r WHERE r.rolname = ANY($1) ORDER BY r.rolname`,
    [allRoles(names)],
  );
  const roles = rows.map((row) => ({ ...row, name: roleName(row.name), settings: asRecord(row.settings) }));
  return { roles, oids: new Map(rows.map((row) => [roleName(row.name), row.oid])) };
}

const asRecord = (settings: string[]): Record<string, string> =>
  Object.fromEntries(settings.map((it) => [it.slice(0, it.indexOf("=")), it.slice(it.indexOf("=") + 1)]));

async function observeMemberships(client: Queryable, roleOids: number[]): Promise<ObservedMembership[]> {
  const { rows } = await client.query<ObservedMembership & { role: CatalogName; member: CatalogName }>(
    `SELECT r.rolname AS role, m.rolname AS member, g.rolname AS grantor,
            a.admin_option AS admin, a.inherit_option AS inherit, a.set_option AS set
       FROM pg_auth_members a
       JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.grantor
      WHERE a.roleid = ANY($1::oid[]) OR a.member = ANY($1::oid[]) ORDER BY 1, 2, 3`,
    [roleOids],
  );
  return rows;
}
