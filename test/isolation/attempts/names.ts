import type { Attempt } from "../attempt.ts";
import type { Sql } from "../field.ts";
import {
  all,
  aSuperuser,
  DENIED,
  mayCreateInDatabase,
  mayCreateInOwnSchema,
  mayCreateTemporary,
  opened,
  ownerOfVictims,
  UNDEFINED_TABLE,
} from "./weaknesses.ts";

const shadow = (name: string, sql: Sql, weakness: Sql, more: Partial<Attempt> = {}): Attempt => ({
  group: "names",
  name,
  sql,
  refused: [DENIED],
  weakness,
  where: "own",
  ...more,
});

/** Names that others resolve: who can put an object where they look, runs code as them. */
export const names: Attempt[] = [
  shadow(
    "put the victim's schema into its search path",
    (v) => `SET LOCAL search_path = ${v.schema}; SELECT * FROM sessions`,
    opened("sessions", "SELECT"),
    { where: "victim", refused: [UNDEFINED_TABLE] },
  ),
  shadow(
    "put the operator's schema into its search path",
    () => "SET LOCAL search_path = agentpg_operator; SELECT * FROM tenant",
    (_v, me) =>
      `GRANT USAGE ON SCHEMA agentpg_operator TO ${me.login}; GRANT SELECT ON agentpg_operator.tenant TO ${me.login}`,
    { where: "operator", refused: [UNDEFINED_TABLE] },
  ),
  shadow(
    "shadow a function of Postgres in its own schema",
    (_v, me) => `CREATE FUNCTION ${me.schema}.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT pg_catalog.now()'`,
    mayCreateInOwnSchema,
  ),
  shadow(
    "create an operator that fits better than Postgres' own",
    (_v, me) => `CREATE OPERATOR ${me.schema}.= (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.texteq)`,
    mayCreateInOwnSchema,
  ),
  shadow("create a cast", () => "CREATE CAST (text AS uuid) WITH INOUT AS IMPLICIT", aSuperuser),
  shadow(
    "create a function where the operator looks first",
    () => "CREATE FUNCTION pg_catalog.pg_has_role(name, name, varchar) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    all(aSuperuser, (_v, me) => `GRANT CREATE ON SCHEMA pg_catalog TO ${me.login}`),
    { where: "operator", after: (_v, me) => `REVOKE CREATE ON SCHEMA pg_catalog FROM ${me.login}` },
  ),
  shadow(
    "replace a function of Postgres",
    () =>
      "CREATE OR REPLACE FUNCTION pg_catalog.pg_has_role(name, name, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    aSuperuser,
    { where: "operator" },
  ),
  shadow(
    "create a function where the victim's sessions look",
    (v) => `CREATE FUNCTION ${v.schema}.length(jsonb) RETURNS integer LANGUAGE sql AS 'SELECT 0'`,
    ownerOfVictims,
    { where: "victim" },
  ),
  shadow(
    "create a function in public",
    () => "CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT null::timestamptz'",
    (_v, me) => `GRANT USAGE, CREATE ON SCHEMA public TO ${me.login}`,
    { where: "operator" },
  ),
  shadow(
    "create a temporary function",
    () => "CREATE FUNCTION pg_temp.now() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    mayCreateTemporary,
  ),
  shadow(
    "create a temporary view over its table",
    (_v, me) => `CREATE TEMP VIEW runs AS SELECT * FROM ${me.schema}.runs`,
    mayCreateTemporary,
  ),
  shadow(
    "create a schema of the name of a role",
    (_v, me) => `CREATE SCHEMA AUTHORIZATION ${me.login}`,
    mayCreateInDatabase,
  ),
  shadow(
    "create a domain, to run code in a check",
    (_v, me) => `CREATE DOMAIN ${me.schema}.text AS pg_catalog.text CHECK (length(value) > 0)`,
    mayCreateInOwnSchema,
  ),
  shadow("create a collation", (_v, me) => `CREATE COLLATION ${me.schema}.mine (locale = 'C')`, mayCreateInOwnSchema),
  shadow(
    "create a default conversion",
    (_v, me) => `CREATE DEFAULT CONVERSION ${me.schema}.mine FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8`,
    mayCreateInOwnSchema,
  ),
  shadow(
    "create a text search configuration",
    (_v, me) => `CREATE TEXT SEARCH CONFIGURATION ${me.schema}.english (COPY = pg_catalog.english)`,
    mayCreateInOwnSchema,
  ),
];
