import { Client } from "pg";
import { clientOptions, type ConnectionSettings } from "../../../src/database/connection.ts";

/** SQL for the rights in an ACL, as texts. */
const rights = (acl: string) =>
  `(SELECT json_agg(format('%s may %s%s, says %s', CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, privilege_type,
     CASE WHEN is_grantable THEN ' and grant it' ELSE '' END, grantor::regrole)) FROM aclexplode(${acl}))`;
const all = (what: string, from: string) => `(SELECT json_agg(${what}) FROM ${from})`;
const OURS = "nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'";

/** What is one for the whole server. Of a password only that there is one. */
const SERVER = `
  SELECT 'role ' || rolname AS what, json_build_object('super', rolsuper, 'inherit', rolinherit, 'createrole', rolcreaterole, 'createdb', rolcreatedb,
      'login', rolcanlogin, 'replication', rolreplication, 'bypassrls', rolbypassrls, 'limit', rolconnlimit, 'until', rolvaliduntil,
      'password', rolpassword IS NOT NULL,
      'settings', ${all("json_build_object('in', d.datname, 'is', s.setconfig)", "pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase WHERE s.setrole = r.oid")},
      'in', ${all("format('%s, says %s, admin %s, inherit %s, set %s', roleid::regrole, grantor::regrole, admin_option, inherit_option, set_option)", "pg_auth_members WHERE member = r.oid")}) AS is
    FROM pg_authid r WHERE rolname NOT LIKE 'pg\\_%' AND rolname <> 'postgres'
  UNION ALL
  SELECT 'database ' || datname, json_build_object('owner', datdba::regrole, 'open', datallowconn, 'template', datistemplate, 'limit', datconnlimit,
      'rights', ${rights("datacl")})
    FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')`;

/** What is in one database: every schema, relation, function and default that Postgres did not bring. */
const DATABASE = `
  SELECT 'schema ' || nspname AS what, json_build_object('owner', nspowner::regrole, 'rights', ${rights("nspacl")}) AS is FROM pg_namespace WHERE ${OURS}
  UNION ALL
  SELECT format('relation %s.%s', nspname, relname), json_build_object('kind', relkind, 'owner', relowner::regrole, 'rights', ${rights("relacl")},
      'row security', relrowsecurity, 'forced', relforcerowsecurity, 'comment', obj_description(c.oid),
      'columns', ${all("format('%s %s%s %s %s', attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN ' not null' END, pg_get_expr(adbin, adrelid), attacl)", "pg_attribute a LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped")},
      'constraints', ${all("conname || ' ' || pg_get_constraintdef(oid)", "pg_constraint WHERE conrelid = c.oid")},
      'policies', ${all("format('%s %s %s using %s check %s', polname, polcmd, polpermissive, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))", "pg_policy WHERE polrelid = c.oid")},
      'triggers', ${all("pg_get_triggerdef(oid)", "pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal")},
      'definition', CASE WHEN relkind = 'i' THEN pg_get_indexdef(c.oid) WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END)
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE ${OURS}
  UNION ALL
  SELECT format('function %s.%s(%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)), json_build_object('owner', proowner::regrole,
      'rights', ${rights("proacl")}, 'definition', md5(prosrc), 'definer', prosecdef, 'settings', proconfig)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE ${OURS}
  UNION ALL
  SELECT format('defaults of %s for %s in %s', defaclrole::regrole, defaclobjtype, nspname), json_build_object('rights', ${rights("defaclacl")})
    FROM pg_default_acl LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
  UNION ALL
  SELECT format('rows of %s.%s', nspname, relname), to_json(query_to_xml(format('SELECT to_jsonb(t) FROM %I.%I t', nspname, relname), true, true, '')::text)
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE ${OURS} AND nspname <> 'agentpg_operator' AND relkind = 'r'`;

/** The operator's own rows; which leader wrote them, and when, differs. */
const REGISTRY = `
  SELECT format('row %s of the registry', tenant_name) AS what,
    (to_jsonb(t) - '{epoch,created_at,updated_at,retained_at,password_changed_at,credentials_revision}'::text[])
      || jsonb_build_object('password', password_changed_at IS NOT NULL, 'revision', credentials_revision IS NOT NULL,
        'keys', (SELECT jsonb_agg(jsonb_build_object('generation', generation, 'kek', kek, 'state', k.state, 'request', request,
            'published', published_at IS NOT NULL)) FROM agentpg_operator.data_key k WHERE k.tenant_id = t.id)) AS is
    FROM agentpg_operator.tenant t
  UNION ALL
  SELECT 'rollout of migrations', to_jsonb(r) - '{epoch,updated_at}'::text[] FROM agentpg_operator.migration_rollout r
  UNION ALL
  SELECT 'retention', to_jsonb(count(*)) FROM agentpg_operator.retention
  UNION ALL
  SELECT 'version of the registry', to_jsonb(version) FROM agentpg_operator.schema_version`;

interface Fact {
  what: string;
  is: unknown;
}

/** Everything in Postgres that the operator could have made, by what it is, and what its opaque ids mean. */
export interface DatabaseState {
  objects: Map<string, unknown>;
  meanings: Map<string, string>;
}

/** @param admin the operator's own database, as a superuser */
export async function databaseState(admin: ConnectionSettings): Promise<DatabaseState> {
  const [server, own, registry] = await read(admin, [SERVER, DATABASE, REGISTRY]);
  const databases = server.flatMap(({ what }) => /^database (t_.*)/.exec(what)?.[1] ?? []);
  const others = await Promise.all(
    databases.map(async (database) => {
      const [facts] = await read({ ...admin, database }, [DATABASE]);
      return facts.map(({ what, is }) => ({ what: `in ${database}: ${what}`, is }));
    }),
  );
  const facts = [...server, ...own, ...registry, ...others.flat()];
  const rows = registry.flatMap(({ is }) => {
    const { id, tenant_name: name, tenant_uid: uid } = is as { id?: string; tenant_name?: string; tenant_uid?: string };
    if (!id || !name || !uid) return [];
    return [[id, `schema-of-${name}`] as const, [uid, `uid in the registry's row ${name}`] as const];
  });
  return { objects: new Map(facts.map(({ what, is }) => [what, is])), meanings: new Map(rows) };
}

async function read<S extends string[]>(
  where: ConnectionSettings,
  queries: [...S],
): Promise<{ [K in keyof S]: Fact[] }> {
  const client = new Client(clientOptions(where, "crash test"));
  await client.connect();
  try {
    const results: Fact[][] = [];
    for (const sql of queries) results.push((await client.query<Fact>(sql)).rows);
    return results as { [K in keyof S]: Fact[] };
  } finally {
    await client.end();
  }
}
