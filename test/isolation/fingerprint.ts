import { type Field, superuser } from "./field.ts";

/** Digests of what an attack must not change, by what it is. */
export type Fingerprint = Record<"victim's rows" | "victim's objects" | "registry" | "roles", string>;

const digest = (rows: unknown[]): string => JSON.stringify(rows);

/** Rows of all relations of these schemas: query_to_xml runs one statement for each. */
const ROWS = `SELECT n.nspname, c.relname,
    query_to_xml(format('SELECT md5(string_agg(t::text, '','' ORDER BY t::text)) FROM %I.%I t', n.nspname, c.relname), true, true, '')::text AS rows
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'm') ORDER BY 1, 2`;

const OBJECTS = `SELECT n.nspname, n.nspacl::text, n.nspowner::regrole, c.relname, c.relkind, c.relowner::regrole, c.relacl::text, c.relrowsecurity,
    c.relforcerowsecurity, c.relhastriggers, c.relnatts,
    ARRAY(SELECT attacl::text FROM pg_attribute WHERE attrelid = c.oid AND attacl IS NOT NULL) AS columns,
    ARRAY(SELECT polname || pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = c.oid ORDER BY 1) AS policies,
    ARRAY(SELECT tgname::text FROM pg_trigger WHERE tgrelid = c.oid ORDER BY 1) AS triggers,
    obj_description(c.oid) AS comment, CASE WHEN c.relkind = 'S' THEN pg_sequence_last_value(c.oid) END AS number
  FROM pg_namespace n LEFT JOIN pg_class c ON n.oid = c.relnamespace WHERE n.nspname = ANY($1) ORDER BY n.nspname, c.relname`;

/** The attacker's own settings and passwords are left out: it may change them. */
const ROLES = `SELECT r.rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil,
    CASE WHEN rolname <> ALL ($2) THEN md5(rolpassword) END AS password,
    CASE WHEN rolname <> ALL ($2) THEN ARRAY(SELECT s.setconfig::text FROM pg_db_role_setting s WHERE s.setrole = r.oid ORDER BY 1) END AS settings,
    CASE WHEN rolname <> $4 THEN ARRAY(SELECT roleid::regrole::text || admin_option || inherit_option || set_option
      FROM pg_auth_members WHERE member = r.oid ORDER BY 1) END AS of,
    (SELECT count(*) FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = r.oid AND deptype = 'o'
       AND classid <> 'pg_largeobject'::regclass AND rolname <> ALL ($3) AND rolname <> $4) AS owned
  FROM pg_authid r WHERE EXISTS (SELECT FROM unnest($1::text[]) id WHERE starts_with(rolname, id)) OR rolname = $4 ORDER BY 1`;

const LARGE_OBJECTS = `SELECT l.loid::text, md5(l.data) FROM pg_largeobject l JOIN pg_largeobject_metadata m ON m.oid = l.loid
  WHERE pg_get_userbyid(m.lomowner) = $1 ORDER BY l.loid, l.pageno`;

const REGISTRY = `SELECT t::text FROM agentpg_operator.tenant t WHERE id = ANY($1) UNION ALL SELECT l::text FROM agentpg_operator.leader l
  UNION ALL SELECT v::text FROM agentpg_operator.schema_version v ORDER BY 1`;

/** Everything that may not differ after an attempt. */
export async function fingerprint(field: Field): Promise<Fingerprint> {
  const { a, b, leader } = field;
  const read = async (where: "victim" | "operator", sql: string, values: unknown[]) =>
    (await superuser(field, where).query(sql, values)).rows as unknown[];
  const schemas = [a.names.schema, a.names.dataSchema];
  const ids = [a.names.schema, b.names.schema];
  const [rows, large, objects, registry, roles] = await Promise.all([
    read("victim", ROWS, [schemas]),
    read("victim", LARGE_OBJECTS, [a.connection.user]),
    read("victim", OBJECTS, [schemas]),
    read("operator", REGISTRY, [ids]),
    read("operator", ROLES, [ids, Object.values(b.names.logins), [a.names.owner, b.names.owner], leader.admin.user]),
  ]);
  return {
    "victim's rows": digest([rows, large]),
    "victim's objects": digest(objects),
    registry: digest(registry),
    roles: digest(roles),
  };
}

/** The parts that differ, in words; undefined: none. */
export function whatChanged(
  before: Fingerprint,
  after: Fingerprint,
  except: (keyof Fingerprint)[] = [],
): string | undefined {
  const parts = Object.keys(before) as (keyof Fingerprint)[];
  const changed = parts.filter((part) => before[part] !== after[part] && !except.includes(part));
  return changed.length > 0 ? `changed: ${changed.join(", ")}` : undefined;
}
