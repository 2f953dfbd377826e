import { afterAll, beforeAll, expect, test } from "vitest";
import { DatabaseNewerThanProgram, MigrationChanged, MigrationFailed } from "../../src/database/errors.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import {
  aLeader,
  aTenant,
  closeDatabases,
  MIGRATIONS,
  migrationFolder,
  openDatabase,
  provisioned,
  run,
} from "./fixture.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => {
  await closeDatabases();
  await postgres?.stop();
});

const TWO = {
  ...MIGRATIONS,
  "0002_more.sql": "CREATE TABLE more (id serial PRIMARY KEY); INSERT INTO more DEFAULT VALUES;",
};

/** A tenant at version 1, and the program that comes with these files. */
async function upgrade(files: Record<string, string>) {
  const leader = await aLeader(postgres);
  const tenant = await provisioned(leader);
  const next = await openDatabase(leader.admin, { migrationsDir: await migrationFolder(files) });
  return {
    leader,
    tenant,
    next,
    versions: () => run(tenant.connection, "SELECT version, name FROM schema_version ORDER BY version"),
  };
}

test("a new migration is applied once, and its table is as closed as the others", async () => {
  const { leader, tenant, next, versions } = await upgrade(TWO);
  const result = await next.ensure(tenant.request, leader.epoch);
  expect(result.migrations).toEqual({ from: 1, to: 2, pending: 0 });
  expect(result.repairs).toEqual([]);
  expect((await next.ensure(tenant.request, leader.epoch)).migrations).toEqual({ from: 2, to: 2, pending: 0 });
  expect(await versions()).toEqual([
    { version: 1, name: "things" },
    { version: 2, name: "more" },
  ]);
  expect(await run(tenant.connection, "INSERT INTO more DEFAULT VALUES RETURNING id")).toEqual([{ id: 2 }]);
  expect(
    await run(
      leader.admin,
      "SELECT relrowsecurity AND relforcerowsecurity AS closed FROM pg_class WHERE relname = 'more'",
    ),
  ).toEqual([{ closed: true }]);
  expect((await next.find(tenant.request.uid))?.schemaVersion).toBe(2);
});

test("of programs that migrate at once, one does it and all succeed", async () => {
  const { leader, tenant, next } = await upgrade(TWO);
  const results = await Promise.all(Array.from({ length: 5 }, () => next.ensure(tenant.request, leader.epoch)));
  expect(results.filter((it) => it.migrations.from === 1)).toHaveLength(1);
  expect(await run(tenant.connection, "SELECT count(*)::int AS n FROM more")).toEqual([{ n: 1 }]);
});

test("a migration that fails changes nothing, keeps no drift alive, and other tenants go on", async () => {
  const poison = {
    ...TWO,
    "0003_poison.sql": "INSERT INTO more DEFAULT VALUES; ALTER TABLE things ADD CHECK (note IS DISTINCT FROM 'bad');",
  };
  const { leader, tenant, next, versions } = await upgrade(poison);
  await run(tenant.connection, "INSERT INTO things VALUES (1, 'bad')");
  await run(postgres.adminSettings(leader.admin.database), `GRANT SELECT ON ${tenant.names.schema}.things TO PUBLIC`);
  await expect(next.ensure(tenant.request, leader.epoch)).rejects.toThrow(MigrationFailed);
  expect(await versions()).toEqual([{ version: 1, name: "things" }]);
  expect(
    await run(leader.admin, "SELECT FROM pg_class, aclexplode(relacl) WHERE relname = 'things' AND grantee = 0"),
  ).toEqual([]);
  expect((await next.ensure(aTenant(), leader.epoch)).migrations).toEqual({ from: 0, to: 3, pending: 0 });
  await run(tenant.connection, "UPDATE things SET note = 'good'");
  expect((await next.ensure(tenant.request, leader.epoch)).migrations).toEqual({ from: 1, to: 3, pending: 0 });
});

test("a database that is newer than the program is refused", async () => {
  const { leader, tenant, next } = await upgrade(TWO);
  await next.ensure(tenant.request, leader.epoch);
  await expect(leader.database.ensure(tenant.request, leader.epoch)).rejects.toThrow(DatabaseNewerThanProgram);
});

test("a migration that was changed after it was applied is refused", async () => {
  const { leader, tenant, next } = await upgrade({ "0001_things.sql": `${MIGRATIONS["0001_things.sql"]} -- changed` });
  await expect(next.ensure(tenant.request, leader.epoch)).rejects.toThrow(MigrationChanged);
});

test.each(["COMMIT;", "COMMIT; BEGIN;", "RESET ROLE;", "SET ROLE NONE;"])(
  "a migration with %s is refused",
  async (statement) => {
    const { leader, tenant, next } = await upgrade({ ...MIGRATIONS, "0002_escape.sql": `SELECT 1; ${statement}` });
    await expect(next.ensure(tenant.request, leader.epoch)).rejects.toThrow(MigrationFailed);
  },
);

test.each([
  ["a gap", { "0001_one.sql": "", "0003_three.sql": "" }],
  ["a number twice", { "0001_one.sql": "", "0001_other.sql": "" }],
  ["another name", { "first.sql": "" }],
])("files with %s are refused", async (_title, files) => {
  const admin = await postgres.createOperatorRole();
  await expect(openDatabase(admin, { migrationsDir: await migrationFolder(files) })).rejects.toThrow(MigrationChanged);
});

test("the program's own migrations apply", async () => {
  const leader = await aLeader(postgres, { migrationsDir: "migrations" });
  const { request, connection } = await provisioned(leader);
  expect((await leader.database.ensure(request, leader.epoch)).steps).toEqual([]);
  const tables =
    "SELECT count(*)::int AS n FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = $1";
  expect((await run<{ n: number }>(connection, tables, ["r"]))[0]?.n).toBeLessThanOrEqual(12);
  expect((await run<{ n: number }>(connection, tables, ["i"]))[0]?.n).toBeLessThanOrEqual(20);
});
