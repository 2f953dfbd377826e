import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RetainedByEarlierTenant, SchemaClaimedByOther, TenantNotProvisioned } from "../../src/database/errors.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import {
  aLeader,
  aTenant,
  breakingPool,
  closeDatabases,
  codeOfFailure,
  held,
  migrationFolder,
  openDatabase,
  provisioned,
  remains,
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

test("Delete ends the connections and leaves nothing, and is done the second time", async () => {
  const leader = await aLeader(postgres);
  const { request, names, connection } = await provisioned(leader);
  const atWork = await held(connection);
  const other = await provisioned(leader);
  await leader.database.deprovision(request, "Delete", leader.epoch);
  expect(await remains(postgres.adminSettings(leader.admin.database), names.schema)).toEqual([]);
  expect(atWork.isOpen()).toBe(false);
  await leader.database.deprovision(request, "Delete", leader.epoch);
  expect(await run(other.connection, "SELECT count(*)::int AS n FROM things")).toEqual([{ n: 0 }]);
});

test("Delete takes more tables than one batch, views, and what others put into the schemas", async () => {
  const many = Array.from({ length: 45 }, (_, n) => `CREATE TABLE table_${n} (id serial PRIMARY KEY);`).join("\n");
  const more =
    "CREATE VIEW seen AS SELECT * FROM table_0; CREATE MATERIALIZED VIEW kept AS SELECT 1 AS one; CREATE TYPE mood AS ENUM ('fine');";
  const leader = await aLeader(postgres, { migrationsDir: await migrationFolder({ "0001_many.sql": many + more }) });
  const { request, names } = await provisioned(leader);
  const superuser = postgres.adminSettings(leader.admin.database);
  await run(
    superuser,
    `CREATE TABLE ${names.dataSchema}.theirs (id int); CREATE VIEW ${names.dataSchema}.seen AS SELECT * FROM ${names.dataSchema}.theirs`,
  );
  await leader.database.deprovision(request, "Delete", leader.epoch);
  expect(await remains(superuser, names.schema)).toEqual([]);
});

test("killed between any two statements, Delete and Retain go on where they were", async () => {
  const leader = await aLeader(postgres);
  const superuser = postgres.adminSettings(leader.admin.database);
  // Roles, schemas, default privileges and row that are left; the login; the registry.
  const after = { Delete: [0, "28P01", undefined], Retain: [13, "28P01", "retained"] };
  for (const policy of ["Delete", "Retain"] as const) {
    for (let at = 1, done = false; !done; at++) {
      const { request, names, connection } = await provisioned(leader);
      const { openPool } = breakingPool({ at });
      const broken = await openDatabase(leader.admin, { openPool });
      done = (await codeOfFailure(broken.deprovision(request, policy, leader.epoch))) === "no error";
      await broken.close();
      await leader.database.deprovision(request, policy, leader.epoch);
      const left = await remains(superuser, names.schema);
      const login = await codeOfFailure(run(connection, "SELECT 1"));
      const state = (await leader.database.find(request.uid))?.state;
      expect([at, left.length, login, state]).toEqual([at, ...after[policy]]);
      expect(at).toBeLessThan(200);
    }
  }
}, 240_000);

test("Retain closes the logins, ends their connections and keeps the data", async () => {
  const leader = await aLeader(postgres);
  const { request, names, connection } = await provisioned(leader);
  await run(connection, "INSERT INTO things VALUES (1, 'kept')");
  const atWork = await held(connection);
  await leader.database.deprovision(request, "Retain", leader.epoch);
  await leader.database.deprovision(request, "Retain", leader.epoch);
  expect(atWork.isOpen()).toBe(false);
  expect(await codeOfFailure(run(connection, "SELECT 1"))).toBe("28P01");
  expect(await run(postgres.adminSettings(leader.admin.database), `SELECT note FROM ${names.schema}.things`)).toEqual([
    { note: "kept" },
  ]);
  const record = await leader.database.find(request.uid);
  expect(record?.state).toBe("retained");
  expect(record?.retainedAt).toBeInstanceOf(Date);
  await expect(leader.database.ensurePassword(request, undefined, leader.epoch)).rejects.toThrow(TenantNotProvisioned);
});

test("a new Tenant of the same name gets retained data only when it asks to adopt it", async () => {
  const leader = await aLeader(postgres);
  const { request, names, connection } = await provisioned(leader);
  await run(connection, "INSERT INTO things VALUES (1, 'kept')");
  await leader.database.deprovision(request, "Retain", leader.epoch);
  const again = { ...request, uid: randomUUID() };
  await expect(leader.database.ensure(again, leader.epoch)).rejects.toThrow(RetainedByEarlierTenant);
  const adopted = await leader.database.ensure({ ...again, adopt: true }, leader.epoch);
  expect(adopted).toMatchObject({ id: names.schema, created: false, adopted: true });
  expect(await codeOfFailure(run(connection, "SELECT 1"))).toBe("28P01");
  const fresh = await leader.database.ensurePassword(again, undefined, leader.epoch);
  expect(await run(fresh.connection, "SELECT note FROM things")).toEqual([{ note: "kept" }]);
  // The Tenant before is gone: its deletion, should it be repeated, touches nothing.
  await leader.database.deprovision(request, "Delete", leader.epoch);
  expect(await run(fresh.connection, "SELECT note FROM things")).toEqual([{ note: "kept" }]);
});

test("a Tenant that was refused leaves the earlier one's data alone when it is deleted", async () => {
  const leader = await aLeader(postgres);
  const { request, connection } = await provisioned(leader);
  const impostor = { ...request, uid: randomUUID() };
  await expect(leader.database.ensure(impostor, leader.epoch)).rejects.toThrow(RetainedByEarlierTenant);
  await leader.database.deprovision(impostor, "Delete", leader.epoch);
  expect(await codeOfFailure(run(connection, "SELECT 1 FROM things"))).toBe("no error");
});

test("a name that another cluster uses in the same database is refused, adopt or not", async () => {
  const leader = await aLeader(postgres);
  const { request } = await provisioned(leader);
  const elsewhere = await openDatabase(leader.admin, { clusterUid: "cluster-2" });
  const epoch = await elsewhere.acquireEpoch("leader of cluster 2");
  for (const adopt of [false, true]) {
    await expect(elsewhere.ensure({ ...request, uid: randomUUID(), adopt }, epoch)).rejects.toThrow(
      SchemaClaimedByOther,
    );
    await expect(elsewhere.ensure({ ...request, adopt }, epoch)).rejects.toThrow(SchemaClaimedByOther);
  }
  await elsewhere.deprovision(request, "Delete", epoch);
  expect(await leader.database.find(request.uid)).toMatchObject({ state: "active", clusterUid: "cluster-1" });
});

test("a deletion that began cannot be turned into Retain, and its name is free afterwards", async () => {
  const leader = await aLeader(postgres);
  const { request, names } = await provisioned(leader);
  const { openPool } = breakingPool({ at: 1, after: "COMMIT" });
  const broken = await openDatabase(leader.admin, { openPool });
  expect(await codeOfFailure(broken.deprovision(request, "Delete", leader.epoch))).not.toBe("no error");
  const next = aTenant({ name: request.name });
  expect(await leader.database.ensure(next, leader.epoch).catch((error) => error.name)).toBe("TenantBeingDeleted");
  await leader.database.deprovision(request, "Retain", leader.epoch);
  const anew = await leader.database.ensure(next, leader.epoch);
  expect(anew.created).toBe(true);
  expect(anew.id).not.toBe(names.schema);
});
