// Several operators of one cluster on one database: each writes to its own tenants only.
import { afterAll, beforeAll, expect, test } from "vitest";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { aTenant, closeDatabases, openDatabase, provisioned } from "./fixture.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
}, 120_000);
afterAll(async () => {
  await closeDatabases();
  await postgres?.stop();
});

async function twoOperators() {
  const admin = await postgres.createOperatorRole();
  const lead = async (instance: string) => {
    const database = await openDatabase(admin, {
      clusterUid: `cluster-1/system/${instance}`,
      tenantSelector: `team=${instance}`,
    });
    await database.bootstrap();
    return { database, epoch: await database.acquireEpoch(instance) };
  };
  return { red: await lead("red"), blue: await lead("blue"), admin };
}

test("two lead side by side, and neither can write to a tenant of the other", async () => {
  const { red, blue } = await twoOperators();
  const { request } = await provisioned(red);
  const held = { reason: "HeldByOtherOperator" };
  await expect(blue.database.ensure(request, blue.epoch)).rejects.toMatchObject(held);
  await expect(blue.database.deprovision(request, "Delete", blue.epoch)).rejects.toMatchObject(held);
  await expect(blue.database.migrations.dryRun(request.uid, blue.epoch)).rejects.toMatchObject(held); // as all of writeTenant
  expect((await red.database.ensure(request, red.epoch)).steps).toEqual([]);
});

test("each sees its own claims, versions and rollout only", async () => {
  const { red, blue } = await twoOperators();
  const { request } = await provisioned(red);
  expect((await red.database.openClaims()).map(({ uid }) => uid)).toEqual([request.uid]);
  expect(await blue.database.openClaims()).toEqual([]);
  expect([...(await red.database.migrations.versions()).keys()]).toEqual([request.uid]);
  expect((await blue.database.migrations.versions()).size).toBe(0);
  const { target } = red.database.migrations;
  const paused = { reason: "PausedByHand", message: "wait" } as const;
  await red.database.migrations.save({ target, paused, failures: {} }, red.epoch);
  expect(await blue.database.migrations.load()).toBeUndefined();
});

test("a tenant that is taken over keeps schema and login, and the former operator writes to it no more", async () => {
  const { red, blue } = await twoOperators();
  const { request, names, connection } = await provisioned(red);
  const holder = await blue.database.holderOf(request);
  expect(holder).toMatchObject({ name: "system/red", selector: "team=red" });
  await blue.database.takeOver(request, holder as NonNullable<typeof holder>, blue.epoch);
  const ensured = await blue.database.ensure(request, blue.epoch);
  expect(ensured).toMatchObject({ names, steps: [], created: false });
  const kept = await blue.database.ensurePassword(request, connection.password, blue.epoch);
  expect(kept.connection.password).toBe(connection.password);
  await expect(red.database.ensure(request, red.epoch)).rejects.toMatchObject({ reason: "HeldByOtherOperator" });
  const again = red.database.takeOver(request, { ...holder, clusterUid: "cluster-1/system/green" } as never, red.epoch);
  await expect(again).rejects.toMatchObject({ reason: "HeldByOtherOperator" }); // not from whom it thought
});

test("a Tenant of another cluster is nobody's here", async () => {
  const { red, admin } = await twoOperators();
  const { request } = await provisioned(red);
  const elsewhere = await openDatabase(admin, { clusterUid: "cluster-2" });
  await elsewhere.bootstrap();
  expect(await elsewhere.holderOf(request)).toBeUndefined();
  const named = aTenant({ name: request.name });
  const epoch = await elsewhere.acquireEpoch("other");
  await expect(elsewhere.ensure(named, epoch)).rejects.toMatchObject({ reason: "SchemaClaimedByOther" });
});
