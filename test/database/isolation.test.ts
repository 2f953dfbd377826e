import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TenantDatabaseNames } from "../../src/api/names.ts";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { aLeader, closeDatabases, codeOfFailure, held, provisioned, run } from "./fixture.ts";

let postgres: TestPostgres;
let leader: Awaited<ReturnType<typeof aLeader>>;
let victim: { names: TenantDatabaseNames; connection: ConnectionSettings };
/** A connection of the victim, so that there is one to end. */
let atWork: Awaited<ReturnType<typeof held>>;
let attacker: { names: TenantDatabaseNames; connection: ConnectionSettings };
beforeAll(async () => {
  postgres = await startPostgres();
  leader = await aLeader(postgres);
  victim = await provisioned(leader);
  attacker = await provisioned(leader);
  atWork = await held(victim.connection);
  await run(victim.connection, "INSERT INTO things VALUES (1, 'secret')");
  await run(victim.connection, `SELECT lo_from_bytea(${LARGE_OBJECT}, 'secret')`);
  const { owner, dataSchema } = victim.names;
  await run(
    leader.admin,
    `SET ROLE ${owner}; CREATE TABLE ${dataSchema}.orders (id int); INSERT INTO ${dataSchema}.orders VALUES (7)`,
  );
});
afterAll(async () => {
  await atWork?.close();
  await closeDatabases();
  await postgres?.stop();
});

const DENIED = "42501";
/** The victim's. */
const LARGE_OBJECT = 424_242;
type Attempt = [title: string, sql: (victim: TenantDatabaseNames, me: TenantDatabaseNames) => string, code: string];

/** What a tenant's login tries on another tenant. Each is one that Postgres would grant to somebody with the right. */
const ATTEMPTS: Attempt[] = [
  ["select", (v) => `SELECT * FROM ${v.schema}.things`, DENIED],
  ["insert", (v) => `INSERT INTO ${v.schema}.things VALUES (2, 'x')`, DENIED],
  ["update", (v) => `UPDATE ${v.schema}.things SET note = 'x'`, DENIED],
  ["delete", (v) => `DELETE FROM ${v.schema}.things`, DENIED],
  ["truncate", (v) => `TRUNCATE ${v.schema}.things`, DENIED],
  ["copy out", (v) => `COPY ${v.schema}.things TO STDOUT`, DENIED],
  ["lock", (v) => `BEGIN; LOCK TABLE ${v.schema}.things`, DENIED],
  ["select from the data schema", (v) => `SELECT * FROM ${v.dataSchema}.orders`, DENIED],
  ["read the version table", (v) => `SELECT * FROM ${v.schema}.schema_version`, DENIED],
  ["call a function", (v) => `SELECT ${v.schema}.answer()`, DENIED],
  ["take a number", (v) => `SELECT nextval('${v.schema}.numbers')`, DENIED],
  // A schema without USAGE drops out of the search path, so the name means nothing of the victim's.
  ["search path", (v) => `SET search_path = ${v.schema}; SELECT * FROM things`, "42P01"],
  ["create in the schema", (v) => `CREATE TABLE ${v.schema}.mine (id int)`, DENIED],
  ["drop the table", (v) => `DROP TABLE ${v.schema}.things`, DENIED],
  ["drop the schema", (v) => `DROP SCHEMA ${v.schema} CASCADE`, DENIED],
  ["disable row security", (v) => `ALTER TABLE ${v.schema}.things DISABLE ROW LEVEL SECURITY`, DENIED],
  ["comment", (v) => `COMMENT ON SCHEMA ${v.schema} IS 'x'`, DENIED],
  ["set role to the owner", (v) => `SET ROLE ${v.owner}`, DENIED],
  ["set role to read-write", (v) => `SET ROLE ${v.readWrite}`, DENIED],
  ["set role to the login", (v) => `SET ROLE ${v.logins.a}`, DENIED],
  ["set role to the tool", (v) => `SET ROLE ${v.tool}`, DENIED],
  ["set session authorization", (v) => `SET SESSION AUTHORIZATION ${v.logins.a}`, DENIED],
  ["grant itself the role", (v, me) => `GRANT ${v.readWrite} TO ${me.logins.a}`, DENIED],
  ["change the password", (v) => `ALTER ROLE ${v.logins.a} PASSWORD 'x'`, DENIED],
  ["change the settings", (v) => `ALTER ROLE ${v.logins.a} SET search_path = public`, DENIED],
  ["drop the role", (v) => `DROP ROLE ${v.logins.a}`, DENIED],
  ["create a role", () => "CREATE ROLE t_mine", DENIED],
  ["create a database", () => "CREATE DATABASE mine", DENIED],
  ["create a schema", () => "CREATE SCHEMA mine", DENIED],
  ["create a table in public", () => "CREATE TABLE public.mine (id int)", DENIED],
  ["create a table of its own", () => "CREATE TABLE mine (id int)", DENIED],
  ["create a temporary table", () => "CREATE TEMP TABLE mine (id int)", DENIED],
  ["create a function", () => "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", DENIED],
  ["create an extension", () => "CREATE EXTENSION dblink", DENIED],
  ["use dblink", () => "SELECT dblink_connect('dbname=postgres')", "42883"],
  ["change its own limits", (_, me) => `ALTER ROLE ${me.logins.a} CONNECTION LIMIT -1`, DENIED],
  ["make itself a superuser", (_, me) => `ALTER ROLE ${me.logins.a} SUPERUSER`, DENIED],
  ["give itself BYPASSRLS", (_, me) => `ALTER ROLE ${me.logins.a} BYPASSRLS`, DENIED],
  ["become its own owner", (_, me) => `SET ROLE ${me.owner}`, DENIED],
  ["read password verifiers", () => "SELECT rolpassword FROM pg_authid", DENIED],
  ["read statistics samples", (v) => `SELECT 1 / count(*) FROM pg_stats WHERE schemaname = '${v.schema}'`, "22012"],
  ["read the registry", () => "SELECT * FROM agentpg_operator.tenant", DENIED],
  ["take the leadership", () => "UPDATE agentpg_operator.leader SET epoch = 99", DENIED],
  ["read a server file", () => "SELECT pg_read_file('postgresql.conf')", DENIED],
  ["copy from a program", () => "COPY audit FROM PROGRAM 'id'", DENIED],
  ["copy to a file", () => "COPY audit TO '/tmp/x'", DENIED],
  ["read a large object", () => `SELECT lo_get(${LARGE_OBJECT})`, DENIED],
  ["write a large object", () => `SELECT lo_put(${LARGE_OBJECT}, 0, 'x')`, DENIED],
  ["read all large objects", () => "SELECT * FROM pg_largeobject", DENIED],
  ["import a large object", () => "SELECT lo_import('/etc/passwd')", DENIED],
  ["change the server", () => "ALTER SYSTEM SET log_statement = 'all'", DENIED],
  ["turn row security off", () => "SET row_security = off; SELECT * FROM things", DENIED],
  ["disable triggers", () => "SET session_replication_role = replica", DENIED],
  ["load a library", () => "LOAD 'dblink'", DENIED],
  ["reassign", (v, me) => `REASSIGN OWNED BY ${v.owner} TO ${me.logins.a}`, DENIED],
  [
    "end the victim's connections",
    () =>
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> session_user AND usename LIKE 't\\_%'",
    DENIED,
  ],
];

describe("a tenant's login is refused", () => {
  test.each(ATTEMPTS)("%s", async (_title, sql, code) => {
    expect(await codeOfFailure(run(attacker.connection, sql(victim.names, attacker.names)))).toBe(code);
    expect(atWork.isOpen()).toBe(true);
    expect(await run(victim.connection, "SELECT note FROM things")).toEqual([{ note: "secret" }]);
  });
});

test("the same statements work for those who have the right", async () => {
  const { schema, dataSchema, tool } = victim.names;
  expect(await run(victim.connection, `SELECT note FROM ${schema}.things`)).toEqual([{ note: "secret" }]);
  expect(await run(victim.connection, `SELECT ${schema}.answer() AS it`)).toEqual([{ it: 42 }]);
  expect(await run(victim.connection, `SET ROLE ${tool}; SELECT id FROM ${dataSchema}.orders`)).toEqual([{ id: 7 }]);
});

const TOOL_ATTEMPTS: Attempt[] = [
  ["read the sessions", (v) => `SELECT * FROM ${v.schema}.things`, DENIED],
  ["write the sessions", (v) => `INSERT INTO ${v.schema}.things VALUES (3, 'x')`, DENIED],
  ["read the audit", (v) => `SELECT * FROM ${v.schema}.audit`, DENIED],
  ["call a function of the sessions", (v) => `SELECT ${v.schema}.answer()`, DENIED],
  ["insert into the data", (v) => `INSERT INTO ${v.dataSchema}.orders VALUES (8)`, DENIED],
  ["update the data", (v) => `UPDATE ${v.dataSchema}.orders SET id = 8`, DENIED],
  ["delete the data", (v) => `DELETE FROM ${v.dataSchema}.orders`, DENIED],
  ["truncate the data", (v) => `TRUNCATE ${v.dataSchema}.orders`, DENIED],
  ["lock rows of the data", (v) => `SELECT * FROM ${v.dataSchema}.orders FOR UPDATE`, DENIED],
  ["create in the data", (v) => `CREATE TABLE ${v.dataSchema}.mine (id int)`, DENIED],
  ["create a temporary table", () => "CREATE TEMP TABLE mine (id int)", DENIED],
  ["read the other tenant's data", (_, other) => `SELECT * FROM ${other.dataSchema}.orders`, DENIED],
];

describe("the tool role is refused", () => {
  test.each(TOOL_ATTEMPTS)("%s", async (_title, sql, code) => {
    const asTool = `SET ROLE ${victim.names.tool}; ${sql(victim.names, attacker.names)}`;
    expect(await codeOfFailure(run(victim.connection, asTool))).toBe(code);
  });
});

test("tables that the owner makes later are readable for the tool, and for nobody else", async () => {
  const { owner, dataSchema, tool } = victim.names;
  await run(leader.admin, `SET ROLE ${owner}; CREATE TABLE ${dataSchema}.later AS SELECT 1 AS one`);
  expect(await run(victim.connection, `SET ROLE ${tool}; SELECT one FROM ${dataSchema}.later`)).toEqual([{ one: 1 }]);
  expect(await codeOfFailure(run(victim.connection, `SELECT one FROM ${dataSchema}.later`))).toBe(DENIED);
});

test("no connection without TLS, none as another role, none to another operator's database", async () => {
  const attempt = (more: Partial<ConnectionSettings>) =>
    codeOfFailure(run({ ...attacker.connection, ...more }, "SELECT 1"));
  expect(await attempt({})).toBe("no error");
  expect(await attempt({ tls: "disable" })).toBe("28000");
  expect(await attempt({ user: attacker.names.readWrite })).toBe("28P01");
  expect(await attempt({ user: attacker.names.logins.b })).toBe("28P01");
  expect(await attempt({ user: victim.names.logins.a })).toBe("28P01");
  expect(await attempt({ database: (await aLeader(postgres)).admin.database })).toBe(DENIED);
});
