import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { catalogIdentifier, catalogName } from "../../src/database/quote.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { aLeader, aTenant, closeDatabases, provisioned, remains, run } from "./fixture.ts";

let postgres: TestPostgres;
let leader: Awaited<ReturnType<typeof aLeader>>;
beforeAll(async () => {
  postgres = await startPostgres();
  leader = await aLeader(postgres);
});
afterAll(async () => {
  await closeDatabases();
  await postgres?.stop();
});

const asSuperuser = (sql: string, values?: unknown[]) =>
  run(postgres.adminSettings(leader.admin.database), sql, values);
const quoted = (name: string) => catalogIdentifier(catalogName(name));

/** What a person may call a table: 63 bytes at most, which is all that Postgres keeps of a name. */
const ODD = [
  '"',
  '""; DROP SCHEMA public; --',
  "'",
  "a'b",
  "\\",
  ".",
  "a.b",
  " ",
  "$1",
  "%I",
  "user",
  "select",
  "table",
  "public",
  "PUBLIC",
  "pg_class",
  "名前",
  "e\u0301",
  "\u{1F600}",
  "line\nbreak",
  "x".repeat(63),
  "é".repeat(31),
];

describe("a Tenant's name", () => {
  const names = [
    "x",
    "x".repeat(63),
    "x".repeat(64),
    "x".repeat(10_000),
    "user",
    "select",
    "public",
    "pg_catalog",
    "pg_read_all_data",
    "agentpg_operator",
    "kube-system",
    "default",
    'a"; DROP SCHEMA agentpg_operator CASCADE; --',
    "a'; SELECT 1; --",
    "名前",
    "\u202E",
  ];
  test.each(names.map((name) => [name.slice(0, 64), name]))(
    "never becomes a name in the database: %j",
    async (_, name) => {
      const request = aTenant({ name });
      const { id } = await leader.database.ensure(request, leader.epoch);
      expect(id).toMatch(/^t_[0-9a-f]{12}$/);
      expect(await leader.database.find(request.uid)).toMatchObject({ name });
      expect((await leader.database.ensure(request, leader.epoch)).steps).toEqual([]);
      await leader.database.deprovision(request, "Delete", leader.epoch);
      expect(await remains(postgres.adminSettings(leader.admin.database), id)).toEqual([]);
    },
  );

  test("of two that differ only where Postgres would cut a name, each has a schema of its own", async () => {
    const long = "x".repeat(63);
    const one = await leader.database.ensure(aTenant({ name: `${long}a` }), leader.epoch);
    const other = await leader.database.ensure(aTenant({ name: `${long}b` }), leader.epoch);
    expect(one.id).not.toBe(other.id);
  });
});

/** Objects of these names in the data schema, made by its owner: tables, views, sequences, functions, types, a partitioned and a foreign table. */
function objects(schema: string, owner: string, names: readonly string[]): string {
  const each = names.map((name, n) => {
    const it = quoted(name);
    return `CREATE TABLE ${schema}.${it} (${it} integer GENERATED ALWAYS AS IDENTITY, value text);
      CREATE VIEW ${schema}.${quoted(`v${n}${name}`.slice(0, 20))} AS SELECT * FROM ${schema}.${it};
      CREATE FUNCTION ${schema}.${it}(${it} text, integer[]) RETURNS integer LANGUAGE sql AS 'SELECT 1';`;
  });
  return `SET ROLE ${owner}; ${each.join("\n")}
    CREATE TABLE ${schema}."part""ed" (id integer) PARTITION BY RANGE (id);
    CREATE TABLE ${schema}."part""ed 1" PARTITION OF ${schema}."part""ed" FOR VALUES FROM (0) TO (10);
    CREATE MATERIALIZED VIEW ${schema}."mat'view" AS SELECT 1 AS one;
    CREATE SEQUENCE ${schema}."se""quence";
    CREATE TYPE ${schema}."mo""od" AS ENUM ('fine');
    CREATE DOMAIN ${schema}."do""main" AS text;
    CREATE PROCEDURE ${schema}."proc""edure"() LANGUAGE sql AS 'SELECT 1';
    RESET ROLE;`;
}

/** Everybody's rights on what is in the schema; functions too. */
const OPEN = `SELECT c.relname AS name FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = 0 AND c.relnamespace = to_regnamespace($1)
  UNION ALL SELECT p.proname FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
   WHERE a.grantee = 0 AND p.pronamespace = to_regnamespace($1)`;

describe("what a tenant calls its own tables", () => {
  test("is quoted in grants, in the repair of drift and in deletion", async () => {
    const { request, names, connection } = await provisioned(leader);
    const { dataSchema, owner, tool } = names;
    await asSuperuser(objects(dataSchema, owner, ODD));
    await asSuperuser(
      `CREATE FOREIGN DATA WRAPPER "odd""wrapper"; CREATE SERVER "odd""server" FOREIGN DATA WRAPPER "odd""wrapper";
       CREATE FOREIGN TABLE ${dataSchema}."for""eign" (id integer) SERVER "odd""server"; ALTER FOREIGN TABLE ${dataSchema}."for""eign" OWNER TO ${owner}`,
    );
    await leader.database.ensure(request, leader.epoch);
    expect((await leader.database.ensure(request, leader.epoch)).steps).toEqual([]);
    for (const name of ODD) {
      const read = `SET ROLE ${tool}; SELECT value FROM ${dataSchema}.${quoted(name)}`;
      expect(await run(connection, read)).toEqual([]);
    }

    await asSuperuser(
      `GRANT ALL ON ALL TABLES IN SCHEMA ${dataSchema} TO PUBLIC; GRANT ALL ON ALL SEQUENCES IN SCHEMA ${dataSchema} TO PUBLIC;
       GRANT EXECUTE ON ALL ROUTINES IN SCHEMA ${dataSchema} TO PUBLIC`,
    );
    expect((await asSuperuser(OPEN, [dataSchema])).length).toBeGreaterThan(ODD.length);
    const { repairs } = await leader.database.ensure(request, leader.epoch);
    expect(repairs.length).toBeGreaterThan(ODD.length);
    expect(await asSuperuser(OPEN, [dataSchema])).toEqual([]);
    expect((await leader.database.ensure(request, leader.epoch)).steps).toEqual([]);

    await leader.database.deprovision(request, "Delete", leader.epoch);
    expect(await remains(postgres.adminSettings(leader.admin.database), names.schema)).toEqual([]);
  });

  test("is repaired whatever it is", async () => {
    const { request, names } = await provisioned(leader);
    const name = fc
      .string({
        unit: fc.constantFrom('"', "'", "\\", ";", ".", "é", "名", " ", "$$", "--", "x"),
        minLength: 1,
        maxLength: 9,
      })
      .filter((it) => !it.includes("\0"));
    await fc.assert(
      fc.asyncProperty(name, async (it) => {
        const table = `${names.dataSchema}.${quoted(it)}`;
        await asSuperuser(`SET ROLE ${names.owner}; CREATE TABLE ${table} (); GRANT ALL ON ${table} TO PUBLIC`);
        await leader.database.ensure(request, leader.epoch);
        expect(await asSuperuser(OPEN, [names.dataSchema])).toEqual([]);
        await asSuperuser(`DROP TABLE ${table}`);
      }),
      { numRuns: 40 },
    );
  });
});
