import type { Attempt } from "../attempt.ts";
import { withClient } from "../../database/fixture.ts";
import { asAttacker, type Sql } from "../field.ts";
import {
  aSuperuser,
  DENIED,
  mayCreateInDatabase,
  mayCreateInOwnSchema,
  mayCreateTemporary,
  ownerOfVictims,
  withAttribute,
} from "./weaknesses.ts";

const define = (name: string, sql: Sql, weakness: Sql, more: Partial<Attempt> = {}): Attempt => ({
  group: "definitions",
  name,
  sql,
  refused: [DENIED],
  weakness,
  ...more,
});

export const definitions: Attempt[] = [
  define("create a table with the victim", (v) => `CREATE TABLE ${v.schema}.mine (id int)`, ownerOfVictims),
  define("drop a table", (v) => `DROP TABLE ${v.schema}.messages`, ownerOfVictims),
  define("drop the schema", (v) => `DROP SCHEMA ${v.dataSchema} CASCADE`, ownerOfVictims),
  define(
    "rename the schema",
    (v) => `ALTER SCHEMA ${v.dataSchema} RENAME TO mine`,
    (...n) => [ownerOfVictims(...n), mayCreateInDatabase(...n)].join(";"),
  ),
  define("add a column", (v) => `ALTER TABLE ${v.schema}.sessions ADD COLUMN mine text`, ownerOfVictims),
  define("create an index", (v) => `CREATE INDEX ON ${v.schema}.sessions (user_id)`, ownerOfVictims),
  define("comment on a table", (v) => `COMMENT ON TABLE ${v.schema}.sessions IS 'x'`, ownerOfVictims),
  define("grant itself a right", (v, me) => `GRANT SELECT ON ${v.schema}.sessions TO ${me.login}`, ownerOfVictims),
  define(
    "change what future tables are granted",
    (v, me) => `ALTER DEFAULT PRIVILEGES FOR ROLE ${v.owner} IN SCHEMA ${v.schema} GRANT ALL ON TABLES TO ${me.login}`,
    ownerOfVictims,
  ),
  define("take all that the owner has", (v, me) => `REASSIGN OWNED BY ${v.owner} TO ${me.login}`, aSuperuser),
  define("drop all that the owner has", (v) => `DROP OWNED BY ${v.owner}`, ownerOfVictims),
  define("drop all that its own owner has", (_v, me) => `DROP OWNED BY ${me.owner}`, aSuperuser, { where: "own" }),
  define("change its own tables", (_v, me) => `ALTER TABLE ${me.schema}.runs ADD COLUMN mine text`, aSuperuser, {
    where: "own",
  }),
  define("create a table of its own", (_v, me) => `CREATE TABLE ${me.schema}.mine (id int)`, mayCreateInOwnSchema, {
    where: "own",
  }),
  define("create a table in its data schema", (_v, me) => `CREATE TABLE ${me.dataSchema}.mine (id int)`, aSuperuser, {
    where: "own",
  }),
  define("create a temporary table", () => "CREATE TEMP TABLE sessions (id int)", mayCreateTemporary, { where: "own" }),
  define(
    "create a table in public",
    () => "CREATE TABLE public.mine (id int)",
    (_v, me) => `GRANT USAGE, CREATE ON SCHEMA public TO ${me.login}`,
    { where: "operator" },
  ),
  define(
    "create a table with the operator",
    () => "CREATE TABLE agentpg_operator.mine (id int)",
    (_v, me) => `GRANT USAGE, CREATE ON SCHEMA agentpg_operator TO ${me.login}`,
    { where: "operator" },
  ),
  define("drop the operator's schema", () => "DROP SCHEMA agentpg_operator CASCADE", aSuperuser, { where: "operator" }),
  define("create a schema", () => "CREATE SCHEMA mine", mayCreateInDatabase, { where: "own" }),
  define("create a database", (_v, me) => `CREATE DATABASE ${me.schema}_x`, withAttribute("CREATEDB"), {
    where: "own",
    alone: true,
    after: (_v, me) => `DROP DATABASE IF EXISTS ${me.schema}_x`,
  }),
  {
    group: "definitions",
    name: "create a tablespace",
    where: "own",
    act: (field) =>
      withClient(asAttacker(field, "own"), async (client) => {
        // Only a superuser may; without it a folder would have to be there.
        await client.query("SET allow_in_place_tablespaces = on").catch(() => {});
        await client.query(`CREATE TABLESPACE ${field.b.names.schema} LOCATION ''`);
      }),
    refused: [DENIED],
    weakness: aSuperuser,
    after: (_v, me) => `DROP TABLESPACE IF EXISTS ${me.schema}`,
  },
];
