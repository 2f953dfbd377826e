import { afterAll, beforeAll, expect, test } from "vitest";
import { StaleEpoch } from "../../src/database/errors.ts";
import { operatorPool, Sessions } from "../../src/database/session.ts";
import { TenantDatabases } from "../../src/database/tenant-databases.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { aLeader, aTenant, closeDatabases, openDatabase, provisioned, remains, run } from "./fixture.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => {
  await closeDatabases();
  await postgres?.stop();
});

test("many operators bootstrap the same database at once", async () => {
  const admin = await postgres.createOperatorRole();
  const operators = await Promise.all(Array.from({ length: 6 }, () => openDatabase(admin)));
  await Promise.all(operators.map((it) => it.bootstrap()));
  const epochs = await Promise.all(operators.map((it, n) => it.acquireEpoch(`operator-${n}`)));
  expect(new Set(epochs).size).toBe(6);
});

test("an old leader's writes are refused, and leave nothing", async () => {
  const old = await aLeader(postgres);
  const { request, connection } = await provisioned(old);
  const successor = await openDatabase(old.admin);
  const epoch = await successor.acquireEpoch("successor");
  const late = aTenant();
  await expect(old.database.ensure(late, old.epoch)).rejects.toThrow(StaleEpoch);
  await expect(old.database.ensurePassword(request, "not it", old.epoch)).rejects.toThrow(StaleEpoch);
  await expect(old.database.deprovision(request, "Delete", old.epoch)).rejects.toThrow(StaleEpoch);
  expect(await old.database.find(late.uid)).toBeUndefined();
  expect(await run(connection, "SELECT count(*)::int AS n FROM things")).toEqual([{ n: 0 }]);
  await successor.ensure(late, epoch);
});

test("an epoch that was never given out is refused", async () => {
  const { database } = await aLeader(postgres);
  await expect(database.ensure(aTenant(), 99)).rejects.toThrow(StaleEpoch);
});

test("a leader whose registry is gone is refused until another makes it; a table of others that is gone is no matter", async () => {
  const { admin, database, epoch } = await aLeader(postgres);
  await database.refuseWithoutRegistry(epoch);
  await run(admin, "DROP SCHEMA agentpg_operator CASCADE");
  await expect(database.ensure(aTenant(), epoch)).rejects.toMatchObject({ code: "42P01" });
  const refused = await database.refuseWithoutRegistry(epoch).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(StaleEpoch);
  expect((refused as Error).message).toMatch(/lost the operator's schema agentpg_operator: it came back empty/);
  const successor = await openDatabase(admin);
  await successor.bootstrap();
  await successor.ensure(aTenant(), await successor.acquireEpoch("successor"));
  await expect(database.ensure(aTenant(), epoch)).rejects.toThrow(StaleEpoch);
});

test("a new leader starts only when the old one's transaction is over", async () => {
  const { admin, database, epoch } = await aLeader(postgres);
  const pool = operatorPool(admin, () => {});
  const ended: string[] = [];
  let taken: Promise<unknown> = Promise.resolve();
  await new Sessions(
    () => pool,
    "cluster-1",
    new TenantDatabases(
      () => admin,
      operatorPool,
      () => {},
    ),
  ).fenced(epoch, "a long write", async () => {
    taken = database.acquireEpoch("next").then(() => ended.push("taken"));
    await waitingForLeader();
    ended.push("old leader is done");
  });
  await taken;
  await pool.end();
  expect(ended).toEqual(["old leader is done", "taken"]);
});

/** Until somebody waits for the leader's row. */
async function waitingForLeader(): Promise<void> {
  const waiting =
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%agentpg_operator.leader%'";
  const deadline = Date.now() + 10_000;
  while ((await run<{ n: number }>(postgres.adminSettings(), waiting))[0]?.n === 0) {
    if (Date.now() > deadline) throw new Error("the next leader never waited for the old one's transaction");
  }
}

test("two operators that provision the same Tenant at once make one", async () => {
  const { admin, database, epoch } = await aLeader(postgres);
  const second = await openDatabase(admin);
  const request = aTenant();
  const both = await Promise.all([
    database.ensure(request, epoch),
    second.ensure(request, epoch),
    database.ensure(request, epoch),
  ]);
  expect(new Set(both.map((it) => it.id)).size).toBe(1);
  expect(both.filter((it) => it.created)).toHaveLength(1);
  expect((await database.ensure(request, epoch)).steps).toEqual([]);
  expect(await run(admin, "SELECT count(*)::int AS n FROM agentpg_operator.tenant")).toEqual([{ n: 1 }]);
});

test("many Tenants are provisioned and deleted at once, and each is whole", async () => {
  const { admin, database, epoch } = await aLeader(postgres);
  const requests = Array.from({ length: 16 }, () => aTenant());
  const made = await Promise.all(requests.map((it) => database.ensure(it, epoch)));
  expect(new Set(made.map((it) => it.id)).size).toBe(16);
  for (const request of requests) expect((await database.ensure(request, epoch)).steps).toEqual([]);
  await Promise.all(requests.map((it) => database.deprovision(it, "Delete", epoch)));
  for (const { id } of made) expect(await remains(postgres.adminSettings(admin.database), id)).toEqual([]);
});
