import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TenantDatabaseNames } from "../../src/api/names.ts";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import { InsufficientPrivilege } from "../../src/database/errors.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { aLeader, closeDatabases, codeOfFailure, provisioned, remains, run } from "./fixture.ts";

let postgres: TestPostgres;
let leader: Awaited<ReturnType<typeof aLeader>>;
let superuser: ConnectionSettings;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => {
  await closeDatabases();
  await postgres?.stop();
});

async function aTenantToSpoil() {
  leader = await aLeader(postgres);
  superuser = postgres.adminSettings(leader.admin.database);
  return provisioned(leader);
}

/** What somebody does to the tenant, and a part of the sentence that reports the repair. */
const DRIFT: [title: string, sql: (t: TenantDatabaseNames, operator: string) => string, repair: string][] = [
  ["a table is opened to PUBLIC", (t) => `GRANT SELECT ON ${t.schema}.things TO PUBLIC`, "from PUBLIC"],
  ["the schema is opened to PUBLIC", (t) => `GRANT USAGE, CREATE ON SCHEMA ${t.schema} TO PUBLIC`, "from PUBLIC"],
  [
    "the database is opened to PUBLIC",
    (_, operator) => `GRANT TEMP, CONNECT ON DATABASE ${operator} TO PUBLIC`,
    "from PUBLIC",
  ],
  ["the schema public is opened", () => "GRANT CREATE ON SCHEMA public TO PUBLIC", "schema public from PUBLIC"],
  ["a single column is opened", (t) => `GRANT SELECT (note) ON ${t.schema}.things TO PUBLIC`, "from PUBLIC"],
  ["the login may update the audit", (t) => `GRANT UPDATE ON ${t.schema}.audit TO ${t.readWrite}`, "revoked UPDATE"],
  ["the login may truncate", (t) => `GRANT TRUNCATE ON ${t.schema}.things TO ${t.logins.a}`, "revoked TRUNCATE"],
  ["the login may create tables", (t) => `GRANT CREATE ON SCHEMA ${t.schema} TO ${t.readWrite}`, "revoked CREATE"],
  ["the tool may read the sessions", (t) => `GRANT USAGE ON SCHEMA ${t.schema} TO ${t.tool}`, "revoked USAGE"],
  [
    "a right may be passed on",
    (t) => `GRANT SELECT ON ${t.schema}.things TO ${t.readWrite} WITH GRANT OPTION`,
    "granted SELECT",
  ],
  ["a right is missing", (t) => `REVOKE INSERT ON ${t.schema}.things FROM ${t.readWrite}`, "granted INSERT"],
  ["functions are opened", (t) => `GRANT EXECUTE ON FUNCTION ${t.schema}.answer() TO PUBLIC`, "revoked EXECUTE"],
  [
    "future functions are opened",
    (t) => `ALTER DEFAULT PRIVILEGES FOR ROLE ${t.owner} GRANT EXECUTE ON FUNCTIONS TO PUBLIC`,
    "future functions from PUBLIC",
  ],
  [
    "future tables are opened",
    (t) => `ALTER DEFAULT PRIVILEGES FOR ROLE ${t.owner} IN SCHEMA ${t.schema} GRANT SELECT ON TABLES TO PUBLIC`,
    "future tables",
  ],
  [
    "row security is disabled",
    (t) => `ALTER TABLE ${t.schema}.things DISABLE ROW LEVEL SECURITY`,
    "row-level security",
  ],
  [
    "row security is not forced",
    (t) => `ALTER TABLE ${t.schema}.things NO FORCE ROW LEVEL SECURITY`,
    "row-level security",
  ],
  ["the policy is dropped", (t) => `DROP POLICY tenant_members ON ${t.schema}.things`, "created the tenant's policy"],
  ["the policy is loosened", (t) => `ALTER POLICY tenant_members ON ${t.schema}.things USING (true)`, "dropped policy"],
  [
    "another policy lets all in",
    (t) => `CREATE POLICY "let me ""in""" ON ${t.schema}.things USING (true)`,
    "dropped policy",
  ],
  ["a login may create databases", (t) => `ALTER ROLE ${t.logins.a} CREATEDB`, "createDatabase=false"],
  ["a login may create roles", (t) => `ALTER ROLE ${t.logins.a} CREATEROLE`, "createRole=false"],
  ["the connection limit is gone", (t) => `ALTER ROLE ${t.logins.a} CONNECTION LIMIT -1`, ""],
  ["the password ends", (t) => `ALTER ROLE ${t.logins.a} VALID UNTIL '2001-01-01'`, "expires=false"],
  ["the standby login is opened", (t) => `ALTER ROLE ${t.logins.b} LOGIN`, "login=false"],
  ["the owner can log in", (t) => `ALTER ROLE ${t.owner} LOGIN`, "login=false"],
  ["the active login is closed", (t) => `ALTER ROLE ${t.logins.a} NOLOGIN`, "login=true"],
  ["a setting is changed", (t) => `ALTER ROLE ${t.logins.a} SET search_path = public`, "search_path"],
  [
    "a setting is changed in this database",
    (t, operator) => `ALTER ROLE ${t.logins.a} IN DATABASE ${operator} SET statement_timeout = 0`,
    "statement_timeout",
  ],
  ["the schema's owner is changed", (t, operator) => `ALTER SCHEMA ${t.schema} OWNER TO ${operator}`, "back to"],
  [
    "a table's owner is changed to the login's role",
    (t) => `ALTER TABLE ${t.schema}.things OWNER TO ${t.readWrite}`,
    "back to",
  ],
  [
    "a table's owner is changed to the operator",
    (t, operator) => `ALTER TABLE ${t.schema}.things OWNER TO ${operator}`,
    "back to",
  ],
  ["a membership lacks", (t) => `SET ROLE ${t.owner}; REVOKE ${t.readWrite} FROM ${t.logins.a}`, "a member of"],
  [
    "the login gets the tool's rights without asking for them",
    (t) => `SET ROLE ${t.owner}; GRANT ${t.tool} TO ${t.logins.a} WITH INHERIT TRUE`,
    "removed",
  ],
  [
    "a login sets something for good that the operator does not",
    (t) => `SET SESSION AUTHORIZATION ${t.logins.a}; ALTER ROLE ${t.logins.a} SET default_transaction_read_only = on`,
    "reset default_transaction_read_only",
  ],
  ["a schema is dropped", (t) => `DROP SCHEMA ${t.dataSchema}`, "created schema"],
];

describe("drift is repaired, reported, and gone", () => {
  test.each(DRIFT)("%s", async (_title, sql, repair) => {
    const { request, names } = await aTenantToSpoil();
    await run(superuser, sql(names, leader.admin.user));
    const repaired = await leader.database.ensure(request, leader.epoch);
    expect(repaired.steps).not.toEqual([]);
    expect(repaired.repairs.join("\n")).toContain(repair);
    expect((await leader.database.ensure(request, leader.epoch)).steps).toEqual([]);
  });
});

test("a table that was opened is closed again to the other tenant's login", async () => {
  const { request, names } = await aTenantToSpoil();
  const other = await provisioned(leader);
  const read = () => codeOfFailure(run(other.connection, `SELECT * FROM ${names.schema}.things`));
  await run(
    superuser,
    `GRANT USAGE ON SCHEMA ${names.schema} TO PUBLIC; GRANT SELECT ON ${names.schema}.things TO PUBLIC`,
  );
  expect(await read()).toBe("no error");
  await leader.database.ensure(request, leader.epoch);
  expect(await read()).toBe("42501");
});

test("rows stay hidden from another tenant even where its login was let into the table", async () => {
  const { names, connection } = await aTenantToSpoil();
  const other = await provisioned(leader);
  await run(connection, "INSERT INTO things VALUES (1, 'mine')");
  await run(
    superuser,
    `GRANT USAGE ON SCHEMA ${names.schema} TO PUBLIC; GRANT ALL ON ${names.schema}.things TO PUBLIC`,
  );
  expect(await run(other.connection, `SELECT * FROM ${names.schema}.things`)).toEqual([]);
  expect(await codeOfFailure(run(other.connection, `INSERT INTO ${names.schema}.things VALUES (2, 'theirs')`))).toBe(
    "42501",
  );
  const tamper = `SET search_path = ${names.schema}; SET my.tenant = '${names.schema}'; DELETE FROM things`;
  await run(other.connection, tamper);
  expect(await run(connection, "SELECT note FROM things")).toEqual([{ note: "mine" }]);
});

test("nobody can make a login the owner: the owner is a member of it", async () => {
  const { names } = await aTenantToSpoil();
  expect(await codeOfFailure(run(superuser, `GRANT ${names.owner} TO ${names.logins.a}`))).toBe("0LP01");
});

test("the operator maintains rows as the owner; rights on the table alone show none", async () => {
  const { names, connection } = await aTenantToSpoil();
  await run(connection, "INSERT INTO things VALUES (1, 'old')");
  const asOwner = `SET ROLE ${names.owner};`;
  expect(await run(leader.admin, `${asOwner} DELETE FROM ${names.schema}.things RETURNING note`)).toEqual([
    { note: "old" },
  ]);
  await run(connection, "INSERT INTO things VALUES (2, 'new')");
  const stranger = await postgres.createOperatorRole();
  await run(
    superuser,
    `GRANT CONNECT ON DATABASE ${leader.admin.user} TO ${stranger.user};
     GRANT USAGE ON SCHEMA ${names.schema} TO ${stranger.user}; GRANT ALL ON ${names.schema}.things TO ${stranger.user}`,
  );
  const inThisDatabase = { ...stranger, database: leader.admin.database };
  expect(await run(inThisDatabase, `SELECT * FROM ${names.schema}.things`)).toEqual([]);
});

describe("drift that only a superuser can undo is refused, with the statement that undoes it", () => {
  const cases: [string, (t: TenantDatabaseNames) => string, (t: TenantDatabaseNames) => string][] = [
    [
      "a login is a superuser",
      (t) => `ALTER ROLE ${t.logins.a} SUPERUSER`,
      (t) => `ALTER ROLE ${t.logins.a} NOSUPERUSER NOREPLICATION NOBYPASSRLS`,
    ],
    [
      "a login bypasses row security",
      (t) => `ALTER ROLE ${t.logins.a} BYPASSRLS`,
      (t) => `ALTER ROLE ${t.logins.a} NOSUPERUSER NOREPLICATION NOBYPASSRLS`,
    ],
    [
      "a login may replicate",
      (t) => `ALTER ROLE ${t.logins.b} REPLICATION`,
      (t) => `ALTER ROLE ${t.logins.b} NOSUPERUSER NOREPLICATION NOBYPASSRLS`,
    ],
    [
      "a login reads all data",
      (t) => `GRANT pg_read_all_data TO ${t.logins.a}`,
      (t) => `REVOKE pg_read_all_data FROM ${t.logins.a} GRANTED BY postgres`,
    ],
    [
      "a table belongs to a superuser",
      (t) => `ALTER TABLE ${t.schema}.things OWNER TO postgres`,
      (t) => `ALTER TABLE ${t.schema}.things OWNER TO ${t.owner}`,
    ],
  ];
  test.each(cases)("%s", async (_title, spoil, undo) => {
    const { request, names } = await aTenantToSpoil();
    await run(superuser, `${spoil(names)}; GRANT SELECT ON ${names.schema}.audit TO PUBLIC`);
    const refused = await leader.database.ensure(request, leader.epoch).catch((error) => error);
    expect(refused).toBeInstanceOf(InsufficientPrivilege);
    expect(refused.message.replaceAll('"', "")).toContain(undo(names));
    // What the operator can repair is repaired all the same.
    const open =
      "SELECT FROM pg_class, aclexplode(relacl) WHERE relname = 'audit' AND grantee = 0 AND relnamespace = to_regnamespace($1)";
    expect(await run(superuser, open, [names.schema])).toEqual([]);
    await run(superuser, undo(names));
    await leader.database.ensure(request, leader.epoch);
    expect((await leader.database.ensure(request, leader.epoch)).steps).toEqual([]);
  });
});

test("a role of another name that was let in is taken out, however it is spelt", async () => {
  const { request, names } = await aTenantToSpoil();
  const stranger = `Robert"); DROP SCHEMA ${names.schema}; --`;
  const quoted = `"${stranger.replaceAll('"', '""')}"`;
  await run(superuser, `CREATE ROLE ${quoted}; GRANT SELECT ON ${names.schema}.things TO ${quoted}`);
  const { repairs } = await leader.database.ensure(request, leader.epoch);
  expect(repairs).toEqual([`revoked SELECT on table ${names.schema}.things from ${stranger}`]);
  expect((await leader.database.ensure(request, leader.epoch)).steps).toEqual([]);
});

test("tables that others put into the data schema are left to them", async () => {
  const { request, names, connection } = await aTenantToSpoil();
  await run(
    superuser,
    `CREATE TABLE ${names.dataSchema}.orders (id int); INSERT INTO ${names.dataSchema}.orders VALUES (7);
                        GRANT SELECT ON ${names.dataSchema}.orders TO ${names.tool}`,
  );
  expect((await leader.database.ensure(request, leader.epoch)).steps).toEqual([]);
  expect(await run(connection, `SET ROLE ${names.tool}; SELECT id FROM ${names.dataSchema}.orders`)).toEqual([
    { id: 7 },
  ]);
});

test("a tenant all of whose roles the operator made itself, as it once did, is changed over and can be deleted", async () => {
  const { request, names, connection } = await aTenantToSpoil();
  const { user } = leader.admin;
  const { a, b } = names.logins;
  const children = [names.readWrite, names.tool, a, b];
  const asBefore = [
    ...children.map((role) => `REVOKE ${role} FROM ${names.owner} CASCADE`),
    ...children.map((role) => `GRANT ${role} TO ${user} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`),
    `ALTER ROLE ${names.owner} NOCREATEROLE`,
    `SET ROLE ${user}`,
    ...children.map((role) => `GRANT ${role} TO ${user} WITH INHERIT FALSE, SET TRUE`),
    `GRANT ${names.readWrite} TO ${a}, ${b} WITH INHERIT TRUE, SET FALSE`,
    `GRANT ${names.tool} TO ${a}, ${b} WITH INHERIT FALSE, SET TRUE`,
  ];
  await run(superuser, asBefore.join("; "));
  await leader.database.ensure(request, leader.epoch);
  expect((await leader.database.ensure(request, leader.epoch)).steps).toEqual([]);
  await run(connection, "INSERT INTO things VALUES (1, 'still mine')");
  await leader.database.deprovision(request, "Delete", leader.epoch);
  expect(await remains(superuser, names.schema)).toEqual([]);
});
