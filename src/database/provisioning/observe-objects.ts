import type { RoleName, SchemaName, TenantDatabaseNames } from "../../api/names.ts";
import { type CatalogName, catalogName, serverQuoted } from "../quote.ts";
import type { Queryable } from "../session.ts";
import { type Grant, type ObservedObject, PUBLIC, type Securable } from "./state.ts";

/** SQL for the rights in an ACL, those of the owner left out. The arguments are SQL expressions of this file, never data. */
const grantsIn = (acl: string, owner: string) =>
  `coalesce((SELECT json_agg(json_build_object(
       'grantee', CASE WHEN e.grantee = 0 THEN '${PUBLIC}' ELSE pg_get_userbyid(e.grantee) END,
       'privilege', e.privilege_type, 'grantable', e.is_grantable) ORDER BY e.grantee, e.privilege_type)
     FROM aclexplode(${acl}) e WHERE e.grantee <> ${owner}), '[]')`;

interface Row {
  owner: CatalogName;
  grants: Grant[];
}
const observed = (object: Securable, row: Row, columnGrants: Grant[] = []): ObservedObject => ({
  object,
  owner: row.owner,
  grants: row.grants,
  columnGrants,
});

/** Everything that rights are granted on: the shared objects, the tenant's schemas, what is in them, and default privileges. */
export async function observeObjects(
  client: Queryable,
  names: TenantDatabaseNames,
  schemaOids: number[],
  roleOids: Map<RoleName, number>,
): Promise<ObservedObject[]> {
  return [
    ...(await sharedObjects(client, [...roleOids.keys()])),
    ...(await schemas(client, schemaOids)),
    ...(await relations(client, schemaOids)),
    ...(await routines(client, schemaOids)),
    ...(await defaults(client, names, roleOids.get(names.owner))),
  ];
}

async function sharedObjects(client: Queryable, tenantRoles: RoleName[]): Promise<ObservedObject[]> {
  const { rows } = await client.query<Row & { database: string | null }>(
    `SELECT datname AS database, pg_get_userbyid(datdba) AS owner, ${grantsIn("coalesce(datacl, acldefault('d', datdba))", "datdba")} AS grants
       FROM pg_database WHERE datname = current_database()
     UNION ALL
     SELECT NULL, pg_get_userbyid(nspowner), ${grantsIn("coalesce(nspacl, acldefault('n', nspowner))", "nspowner")}
       FROM pg_namespace WHERE nspname = 'public'`,
  );
  const concern = (grant: Grant) => grant.grantee === PUBLIC || tenantRoles.includes(grant.grantee as RoleName);
  return rows.map(({ database, ...row }) =>
    observed(database === null ? { kind: "publicSchema" } : { kind: "database", name: catalogName(database) }, {
      ...row,
      grants: row.grants.filter(concern),
    }),
  );
}

async function schemas(client: Queryable, oids: number[]): Promise<ObservedObject[]> {
  const { rows } = await client.query<Row & { schema: SchemaName }>(
    `SELECT nspname AS schema, pg_get_userbyid(nspowner) AS owner, ${grantsIn("coalesce(nspacl, acldefault('n', nspowner))", "nspowner")} AS grants
       FROM pg_namespace WHERE oid = ANY($1::oid[]) ORDER BY nspname`,
    [oids],
  );
  return rows.map(({ schema, ...row }) => observed({ kind: "schema", schema }, row));
}

const RELATION_KINDS: Record<string, "table" | "view" | "sequence"> = {
  r: "table",
  p: "table",
  f: "table",
  v: "view",
  m: "view",
  S: "sequence",
};

async function relations(client: Queryable, schemaOids: number[]): Promise<ObservedObject[]> {
  const { rows } = await client.query<
    Row & { schema: SchemaName; name: CatalogName; kind: string; columnGrants: Grant[] }
  >(
    `SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind, pg_get_userbyid(c.relowner) AS owner,
            ${grantsIn("coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", c.relowner))", "c.relowner")} AS grants,
            (SELECT coalesce(json_agg(g), '[]') FROM pg_attribute a, json_array_elements(${grantsIn("a.attacl", "c.relowner")}) g
              WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped) AS "columnGrants"
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relnamespace = ANY($1::oid[]) AND c.relkind = ANY($2::"char"[]) ORDER BY 1, 2`,
    [schemaOids, Object.keys(RELATION_KINDS)],
  );
  return rows.map(({ schema, name, kind, columnGrants, ...row }) =>
    observed({ kind: RELATION_KINDS[kind] ?? "table", schema, name }, row, columnGrants),
  );
}

async function routines(client: Queryable, schemaOids: number[]): Promise<ObservedObject[]> {
  const { rows } = await client.query<Row & { schema: SchemaName; signature: string }>(
    `SELECT n.nspname AS schema, format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS signature,
            pg_get_userbyid(p.proowner) AS owner, ${grantsIn("coalesce(p.proacl, acldefault('f', p.proowner))", "p.proowner")} AS grants
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.pronamespace = ANY($1::oid[]) ORDER BY 2`,
    [schemaOids],
  );
  return rows.map(({ schema, signature, ...row }) =>
    observed({ kind: "routine", schema, signature: serverQuoted(signature) }, row),
  );
}

const DEFAULT_KINDS = { r: "TABLES", S: "SEQUENCES", f: "FUNCTIONS" } as const;

/** The default privileges of the owner role. One that is not stored is what Postgres has built in: EXECUTE on functions for PUBLIC. */
async function defaults(
  client: Queryable,
  names: TenantDatabaseNames,
  owner: number | undefined,
): Promise<ObservedObject[]> {
  const { rows } = await client.query<Row & { schema: SchemaName | null; kind: keyof typeof DEFAULT_KINDS }>(
    `SELECT n.nspname AS schema, d.defaclobjtype AS kind, pg_get_userbyid(d.defaclrole) AS owner, ${grantsIn("d.defaclacl", "d.defaclrole")} AS grants
       FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
      WHERE d.defaclrole = $1::oid AND d.defaclobjtype IN ('r', 'S', 'f')`,
    [owner ?? 0],
  );
  const stored = rows.map(({ schema, kind, ...row }) =>
    observed({ kind: "defaults", schema: schema ?? undefined, objects: DEFAULT_KINDS[kind] }, row),
  );
  const isStored = (object: Securable & { kind: "defaults" }) =>
    stored.some(
      (it) =>
        it.object.kind === "defaults" && it.object.schema === object.schema && it.object.objects === object.objects,
    );
  return [
    ...stored,
    ...builtInDefaults(names).filter((it) => !isStored(it.object as Securable & { kind: "defaults" })),
  ];
}

/** The default privileges of a role that has set none. */
export function builtInDefaults(names: TenantDatabaseNames): ObservedObject[] {
  const owner = catalogName(names.owner);
  return [undefined, names.schema, names.dataSchema].flatMap((schema) =>
    (["TABLES", "SEQUENCES", "FUNCTIONS"] as const).map((objects) =>
      observed(
        { kind: "defaults", schema, objects },
        {
          owner,
          grants:
            schema === undefined && objects === "FUNCTIONS"
              ? [{ grantee: PUBLIC, privilege: "EXECUTE", grantable: false }]
              : [],
        },
      ),
    ),
  );
}
