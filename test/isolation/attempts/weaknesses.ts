import type { Sql } from "../field.ts";

export const DENIED = "42501";
/** The name means nothing to this login: a schema without USAGE is left out of the search path. */
export const UNDEFINED_TABLE = "42P01";
export const UNDEFINED_FUNCTION = "42883";

/** The victim's table is opened to the attacker: both walls are down. */
export const opened =
  (table: string, rights: string): Sql =>
  (v, me) =>
    `GRANT USAGE ON SCHEMA ${v.schema} TO ${me.login}; GRANT ${rights} ON ${v.schema}.${table} TO ${me.login};
     ALTER TABLE ${v.schema}.${table} DISABLE ROW LEVEL SECURITY`;

/** As {@link opened}, but row-level security stands. */
export const granted =
  (table: string, rights: string): Sql =>
  (v, me) =>
    `GRANT USAGE ON SCHEMA ${v.schema} TO ${me.login}; GRANT ${rights} ON ${v.schema}.${table} TO ${me.login}`;

/** A relation of the victim's data schema, which has no row-level security. */
export const dataOpened =
  (object: string, rights: string): Sql =>
  (v, me) =>
    `GRANT USAGE ON SCHEMA ${v.dataSchema} TO ${me.login}; GRANT ${rights} ON ${v.dataSchema}.${object} TO ${me.login}`;

export const operatorsOpened =
  (table: string, rights: string): Sql =>
  (_v, me) =>
    `GRANT USAGE ON SCHEMA agentpg_operator TO ${me.login}; GRANT ${rights} ON agentpg_operator.${table} TO ${me.login}`;

/** The attacker's login gets this attribute, as `SUPERUSER` or `CREATEROLE`. */
export const withAttribute =
  (attribute: string): Sql =>
  (_v, me) =>
    `ALTER ROLE ${me.login} ${attribute}`;

export const aSuperuser = withAttribute("SUPERUSER");

export const memberOf =
  (role: Sql): Sql =>
  (...names) =>
    `GRANT ${role(...names)} TO ${names[1].login} WITH INHERIT TRUE, SET TRUE`;

export const ownerOfVictims = memberOf((v) => v.owner);

/** It may execute this function of Postgres, which PUBLIC may not. */
export const mayExecute =
  (signature: string): Sql =>
  (_v, me) =>
    `GRANT EXECUTE ON FUNCTION ${signature} TO ${me.login}`;

export const mayCreateInDatabase: Sql = (_v, me) =>
  `DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO ${me.login}', current_database()); END $$`;

export const mayCreateTemporary: Sql = (_v, me) =>
  `DO $$ BEGIN EXECUTE format('GRANT TEMP ON DATABASE %I TO ${me.login}', current_database()); END $$`;

export const mayCreateInOwnSchema: Sql = (_v, me) => `GRANT CREATE ON SCHEMA ${me.schema} TO ${me.login}`;

export const maySet =
  (setting: string): Sql =>
  (_v, me) =>
    `GRANT SET ON PARAMETER ${setting} TO ${me.login}`;

/** Several at once. */
export const all =
  (...parts: Sql[]): Sql =>
  (...names) =>
    parts.map((part) => part(...names)).join(";");
