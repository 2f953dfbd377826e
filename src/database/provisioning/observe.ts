import { roleName, type SchemaName, type TenantDatabaseNames } from "../../api/names.ts";
import { type CatalogName, catalogName, serverQuoted } from "../quote.ts";
import type { Queryable } from "../session.ts";
import { builtInDefaults } from "./built-in-defaults.ts";
import { observation } from "./observation-sql.ts";
import type { Grant, ObservedObject, ObservedRole, ObservedTenant, Securable } from "./state.ts";

interface Rights {
  owner: CatalogName;
  grants: Grant[];
}

/** What {@link observation} gives. */
export interface Observation {
  operator: { name: string; superuser: boolean };
  roles: (Omit<ObservedRole, "name" | "settings"> & { name: string; settings: string[] })[];
  memberships: ObservedTenant["memberships"];
  databases: (Rights & { name: string })[];
  publicSchemas: Rights[];
  schemas: (Rights & { schema: SchemaName })[];
  relations: (Rights & { schema: SchemaName; name: CatalogName; kind: string; columnGrants: Grant[] })[];
  routines: (Rights & { schema: SchemaName; signature: string })[];
  defaults: (Rights & { schema: SchemaName | null; kind: keyof typeof DEFAULT_KINDS })[];
  rowSecurity: ObservedTenant["rowSecurity"];
  ownDatabase: ObservedTenant["ownDatabase"] | null;
}

/** Reads from pg_catalog, by OID, what there is of a tenant. */
export async function observeTenant(client: Queryable, names: TenantDatabaseNames): Promise<ObservedTenant> {
  const { rows } = await client.query<{ observed: Observation }>(
    { name: "observe-tenant", text: `SELECT ${observation("$1::text")} AS observed` },
    [names.schema],
  );
  return observedTenant((rows[0] as { observed: Observation }).observed, names);
}

export function observedTenant(found: Observation, names: TenantDatabaseNames): ObservedTenant {
  const { operator, roles, memberships, rowSecurity } = found;
  return {
    operator: { name: catalogName(operator.name), superuser: operator.superuser },
    roles: roles
      .map((it) => ({ ...it, name: roleName(it.name), settings: asRecord(it.settings) }))
      .toSorted((one, other) => order(one.name, other.name)),
    memberships,
    objects: objectsIn(found, names).toSorted((one, other) => order(nameOf(one.object), nameOf(other.object))),
    rowSecurity: rowSecurity.toSorted((one, other) => order(one.table, other.table)),
    ownDatabase: found.ownDatabase ?? undefined,
  };
}

const order = (one: string, other: string): number => (one < other ? -1 : Number(one > other));
const nameOf = (object: Securable): string => JSON.stringify(object);

const asRecord = (settings: string[]): Record<string, string> =>
  Object.fromEntries(settings.map((it) => [it.slice(0, it.indexOf("=")), it.slice(it.indexOf("=") + 1)]));

const RELATION_KINDS: Record<string, "table" | "view" | "sequence"> = {
  r: "table",
  p: "table",
  f: "table",
  v: "view",
  m: "view",
  S: "sequence",
};
const DEFAULT_KINDS = { r: "TABLES", S: "SEQUENCES", f: "FUNCTIONS" } as const;

const object = (it: Securable, { owner, grants }: Rights, columnGrants: Grant[] = []): ObservedObject => ({
  object: it,
  owner,
  grants,
  columnGrants,
});

function objectsIn(found: Observation, names: TenantDatabaseNames): ObservedObject[] {
  const relationKind = (kind: string) => RELATION_KINDS[kind] ?? "table";
  const stored = found.defaults.map((it) =>
    object({ kind: "defaults", schema: it.schema ?? undefined, objects: DEFAULT_KINDS[it.kind] }, it),
  );
  const isStored = (one: ObservedObject) => stored.some((it) => nameOf(it.object) === nameOf(one.object));
  return [
    ...found.databases.map((it) => object({ kind: "database", name: catalogName(it.name) }, it)),
    ...found.publicSchemas.map((it) => object({ kind: "publicSchema" }, it)),
    ...found.schemas.map((it) => object({ kind: "schema", schema: it.schema }, it)),
    ...found.relations.map((it) =>
      object({ kind: relationKind(it.kind), schema: it.schema, name: it.name }, it, it.columnGrants),
    ),
    ...found.routines.map((it) =>
      object({ kind: "routine", schema: it.schema, signature: serverQuoted(it.signature) }, it),
    ),
    ...stored,
    ...builtInDefaults(names).filter((it) => !isStored(it)),
  ];
}
