import type { RoleName, SchemaName, TenantDatabaseNames } from "../../api/names.ts";
import type { CatalogName, Identifier } from "../quote.ts";
import type { Login } from "../registry.ts";

/** Stands for everybody where Postgres has no role of that name. */
export const PUBLIC = "";
export type Grantee = CatalogName | RoleName | typeof PUBLIC;

/** Something that rights are granted on. */
export type Securable =
  | { kind: "database"; name: CatalogName }
  /** The schema `public`, which no tenant may use. */
  | { kind: "publicSchema" }
  | { kind: "schema"; schema: SchemaName }
  | { kind: "table" | "view" | "sequence"; schema: SchemaName; name: CatalogName }
  | { kind: "routine"; schema: SchemaName; signature: Identifier }
  /** What the owner's future objects are granted; without a schema: wherever they are. */
  | { kind: "defaults"; schema: SchemaName | undefined; objects: "TABLES" | "SEQUENCES" | "FUNCTIONS" };

export interface Grant {
  grantee: Grantee;
  /** As aclexplode names it: SELECT, USAGE, EXECUTE, … */
  privilege: string;
  grantable: boolean;
}

export interface ObservedObject {
  object: Securable;
  owner: CatalogName;
  /** Rights of others than the owner. */
  grants: Grant[];
  /** Rights on single columns. No column has any in a tenant as it is meant to be. */
  columnGrants: Grant[];
}

export interface ObservedPolicy {
  name: CatalogName;
  /** `*`: for all commands. */
  command: string;
  permissive: boolean;
  forPublic: boolean;
  using: string | null;
  check: string | null;
}

export interface ObservedRowSecurity {
  schema: SchemaName;
  table: CatalogName;
  enabled: boolean;
  forced: boolean;
  policies: ObservedPolicy[];
}

export interface RoleAttributes {
  superuser: boolean;
  createRole: boolean;
  createDatabase: boolean;
  replication: boolean;
  bypassRls: boolean;
  login: boolean;
  /** The password has an end. */
  expires: boolean;
  /** −1: no limit. */
  connectionLimit: number;
}

export interface ObservedRole extends RoleAttributes {
  name: RoleName;
  /** ALTER ROLE … SET, for all databases. */
  settings: Record<string, string>;
  /** Names of settings among them, and of those for this database only, that the role itself may change. */
  ownSettings: string[];
  databaseSettings: string[];
}

export interface Membership {
  role: CatalogName | RoleName;
  member: CatalogName | RoleName;
  admin: boolean;
  inherit: boolean;
  set: boolean;
}

export interface ObservedMembership extends Membership {
  grantor: CatalogName;
}

/** A tenant's own database, as another one shows it. */
export interface ObservedDatabase {
  owner: CatalogName;
  allowsConnections: boolean;
  /** Anybody with CREATEDB may copy it. */
  isTemplate: boolean;
  openToPublic: boolean;
}

/** All of a tenant that is in pg_catalog. */
export interface ObservedTenant {
  operator: { name: CatalogName; superuser: boolean };
  roles: ObservedRole[];
  memberships: ObservedMembership[];
  /** The database and the schema `public`: only what PUBLIC and this tenant's roles hold there. */
  objects: ObservedObject[];
  rowSecurity: ObservedRowSecurity[];
  ownDatabase: ObservedDatabase | undefined;
}

/**
 * What a database is to a tenant. shared: its schemas are there, beside those of others · own: nobody else's are ·
 * elsewhere: it has a database of its own, and nothing to look for in this one.
 */
export type Place = "shared" | "own" | "elsewhere";

/** What a tenant is meant to be. */
export interface DesiredTenant {
  names: TenantDatabaseNames;
  /** Of the database that is looked at. */
  place: Place;
  /** Of each login; one is in use, except for moments of a rotation. */
  connectionLimit: number;
  openLogins: readonly Login[];
}
