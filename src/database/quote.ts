import type { RoleName, SchemaName } from "../api/names.ts";

declare const brand: unique symbol;
/** SQL text that is one quoted identifier, or two joined by a dot. Only this file makes them. */
export type Identifier = string & { readonly [brand]: "Identifier" };
/** A name that was read from pg_catalog: any text that Postgres itself accepted as a name. */
export type CatalogName = string & { readonly [brand]: "CatalogName" };

function quoted(name: string): Identifier {
  if (name === "" || name.includes("\0")) throw new TypeError("an SQL name must not be empty or hold a NUL");
  return `"${name.replaceAll('"', '""')}"` as Identifier;
}

/** The only way a tenant's name gets into SQL. */
export const identifier = (name: SchemaName | RoleName): Identifier => quoted(name);

/** Quotes a name that pg_catalog gave, for drift that others made: roles, tables and policies we never named. */
export const catalogIdentifier = (name: CatalogName): Identifier => quoted(name);

export const qualified = (schema: SchemaName, name: CatalogName): Identifier =>
  `${quoted(schema)}.${quoted(name)}` as Identifier;

/** Takes a name from a pg_catalog row; never call it with anything else. */
export const catalogName = (fromRow: string): CatalogName => fromRow as CatalogName;

/** Takes text that the server quoted itself (format %I); never call it with anything else. */
export const serverQuoted = (fromRow: string): Identifier => fromRow as Identifier;

/** A string literal, for the statements that take no `$n` (DDL). Refuses what would need an escape other than a doubled quote. */
export function literal(text: string): string {
  if (/[\\\0]/.test(text))
    throw new TypeError("this text cannot stand in an SQL literal: it holds a backslash or a NUL");
  return `'${text.replaceAll("'", "''")}'`;
}
