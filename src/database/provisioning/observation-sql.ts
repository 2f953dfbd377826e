import { tenantDatabaseNames } from "../../api/names.ts";
import { allRoles, desiredSettings } from "./desired.ts";
import { PUBLIC } from "./state.ts";

const ANY = "t_000000000000";
const names = tenantDatabaseNames(ANY);
/** The names of a tenant's roles and schemas, made from its id by the server. `id` is an SQL expression. */
const namesOf = (id: string, all: readonly string[]): string =>
  `ARRAY[${all.map((name) => `${id} || '${name.slice(ANY.length)}'`).join(", ")}]::name[]`;

/** SQL for the rights in an ACL, those of the owner left out. The arguments are SQL expressions of this file, never data. */
const grantsIn = (acl: string, owner: string, concern = "true") =>
  `coalesce((SELECT json_agg(json_build_object(
       'grantee', CASE WHEN e.grantee = 0 THEN '${PUBLIC}' ELSE pg_get_userbyid(e.grantee) END,
       'privilege', e.privilege_type, 'grantable', e.is_grantable) ORDER BY e.grantee, e.privilege_type)
     FROM aclexplode(${acl}) e WHERE e.grantee <> ${owner} AND ${concern}), '[]')`;

const allOf = (row: string, from: string) => `coalesce((SELECT json_agg(${row}) FROM ${from}), '[]')`;

/** The names of settings in an array of `name=value` that a user may change for itself. pg_settings is slow, so it is only asked about strangers. */
const changeable = (settings: string, known: readonly string[]) => {
  const strangers = `unnest(${settings}) s WHERE split_part(s, '=', 1) <> ALL('{${known.join(",")}}')`;
  const ofUser = `EXISTS (SELECT FROM pg_settings g WHERE g.name = split_part(s, '=', 1) AND g.context = 'user')`;
  return `CASE WHEN EXISTS (SELECT FROM ${strangers}) THEN ${allOf("split_part(s, '=', 1)", `${strangers} AND ${ofUser}`)} ELSE '[]' END`;
};

const KNOWN = Object.keys(desiredSettings(names, names.logins.a));

/** The entries of the database's ACL are one for each tenant: those of others are left out before they are made into text. */
const CONCERN = "(e.grantee = 0 OR e.grantee IN (SELECT oid FROM role))";

/** Concatenated, so that it is uncompressed once: aclexplode would do that again for each of its rows. An empty list would lose its dimension by that. */
const DATABASE_ACL =
  "coalesce(CASE WHEN cardinality(datacl) > 0 THEN datacl || '{}'::aclitem[] ELSE datacl END, acldefault('d', datdba))";

/** What hangs on the two schemas. Through pg_depend, which has an index for it; pg_class and pg_proc have none by schema. */
const inSchemas = (catalog: string) =>
  `schema s JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = s.oid AND d.classid = '${catalog}'::regclass`;

/**
 * All of a tenant that is in pg_catalog, as one JSON value: a subquery. One statement, so that a look at a tenant that needs
 * nothing costs one round trip. Never information_schema: its views join over all roles and hide what the reader has no rights on.
 * @param id SQL expression of type text: the tenant's id
 */
export const observation = (id: string): string => `(
WITH role AS MATERIALIZED (
  SELECT r.*, ARRAY(SELECT unnest(s.setconfig) FROM pg_db_role_setting s
      WHERE s.setrole = r.oid AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())) AS here
    FROM pg_roles r WHERE r.rolname = ANY(${namesOf(id, allRoles(names))})
), schema AS MATERIALIZED (
  SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname = ANY(${namesOf(id, [names.schema, names.dataSchema])})
), relation AS MATERIALIZED (
  SELECT DISTINCT c.oid, s.nspname, c.relname, c.relkind, c.relowner, c.relacl::text::aclitem[] AS relacl, c.relrowsecurity, c.relforcerowsecurity
    FROM ${inSchemas("pg_class")} JOIN pg_class c ON c.oid = d.objid WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
)
SELECT json_build_object(
  'operator', (SELECT json_build_object('name', rolname, 'superuser', rolsuper) FROM pg_roles WHERE rolname = current_user),
  'roles', ${allOf(
    `json_build_object(
      'name', rolname, 'superuser', rolsuper, 'createRole', rolcreaterole, 'createDatabase', rolcreatedb,
      'replication', rolreplication, 'bypassRls', rolbypassrls, 'login', rolcanlogin, 'connectionLimit', rolconnlimit,
      'expires', coalesce(rolvaliduntil <> 'infinity', false), 'settings', coalesce(rolconfig, '{}'),
      'ownSettings', ${changeable("rolconfig", KNOWN)}, 'databaseSettings', ${changeable("here", [])})`,
    "role",
  )},
  'memberships', ${allOf(
    `json_build_object('role', pg_get_userbyid(roleid), 'member', pg_get_userbyid(member), 'grantor', pg_get_userbyid(grantor),
      'admin', admin_option, 'inherit', inherit_option, 'set', set_option)`,
    // Two arrays, so that each finds its index.
    `(SELECT * FROM pg_auth_members WHERE roleid = ANY(ARRAY(SELECT oid FROM role))
       UNION SELECT * FROM pg_auth_members WHERE member = ANY(ARRAY(SELECT oid FROM role))) a`,
  )},
  'databases', ${allOf(
    `json_build_object('name', datname, 'owner', pg_get_userbyid(datdba), 'grants', ${grantsIn(DATABASE_ACL, "datdba", CONCERN)})`,
    "pg_database WHERE datname = current_database()",
  )},
  'publicSchemas', ${allOf(
    `json_build_object('owner', pg_get_userbyid(nspowner), 'grants', ${grantsIn("coalesce(nspacl, acldefault('n', nspowner))", "nspowner", CONCERN)})`,
    "pg_namespace WHERE nspname = 'public'",
  )},
  'schemas', ${allOf(
    `json_build_object('schema', nspname, 'owner', pg_get_userbyid(nspowner), 'grants', ${grantsIn("coalesce(nspacl, acldefault('n', nspowner))", "nspowner")})`,
    "schema",
  )},
  'relations', ${allOf(
    `json_build_object('schema', nspname, 'name', relname, 'kind', relkind, 'owner', pg_get_userbyid(relowner),
      'grants', ${grantsIn("coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", relowner))", "relowner")},
      'columnGrants', (SELECT coalesce(json_agg(g), '[]') FROM pg_attribute a, json_array_elements(${grantsIn("a.attacl", "relowner")}) g
                        WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped))`,
    "relation c",
  )},
  'routines', ${allOf(
    `json_build_object('schema', s.nspname,
      'signature', format('%I.%I(%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
      'owner', pg_get_userbyid(p.proowner), 'grants', ${grantsIn("coalesce(p.proacl, acldefault('f', p.proowner))", "p.proowner")})`,
    `${inSchemas("pg_proc")} JOIN pg_proc p ON p.oid = d.objid`,
  )},
  'defaults', ${allOf(
    `json_build_object('schema', n.nspname, 'kind', d.defaclobjtype, 'owner', pg_get_userbyid(d.defaclrole), 'grants', ${grantsIn("d.defaclacl", "d.defaclrole")})`,
    `pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
      WHERE d.defaclrole = (SELECT oid FROM role WHERE rolname = (${id} || '${names.owner.slice(ANY.length)}')::name) AND d.defaclobjtype IN ('r', 'S', 'f')`,
  )},
  'rowSecurity', ${allOf(
    `json_build_object('schema', nspname, 'table', relname, 'enabled', relrowsecurity, 'forced', relforcerowsecurity, 'policies',
      coalesce((SELECT json_agg(json_build_object(
          'name', p.polname, 'command', p.polcmd, 'permissive', p.polpermissive, 'forPublic', p.polroles = '{0}',
          'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)) ORDER BY p.polname)
         FROM pg_policy p WHERE p.polrelid = c.oid), '[]'))`,
    `relation c WHERE nspname = (${id})::name AND relkind IN ('r', 'p')`,
  )},
  'ownDatabase', (SELECT json_build_object(
      'owner', pg_get_userbyid(datdba), 'allowsConnections', datallowconn, 'isTemplate', datistemplate,
      'openToPublic', EXISTS (SELECT FROM aclexplode(${DATABASE_ACL}) e WHERE e.grantee = 0))
    FROM pg_database WHERE datname = (${id})::name)))`;
