import { afterAll, beforeAll, expect, test } from "vitest";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import {
  aLeader,
  aTenant,
  breakingPool,
  closeDatabases,
  codeOfFailure,
  nextWrite,
  openDatabase,
  provisioned,
  remains,
  run,
} from "./fixture.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres({ settings: { autovacuum: "off" } });
});
afterAll(async () => {
  await closeDatabases();
  await postgres?.stop();
});

test("a tenant's login reads and writes its own tables, and starts with its settings", async () => {
  const { names, connection } = await provisioned(await aLeader(postgres));
  await run(connection, "INSERT INTO things VALUES (1, 'one'), (nextval('numbers') + 10, 'next')");
  expect(await run(connection, "SELECT count(*)::int AS n, answer() FROM things")).toEqual([{ n: 2, answer: 42 }]);
  await run(connection, "UPDATE things SET note = 'uno' WHERE id = 1");
  await run(connection, "DELETE FROM things WHERE id = 1");
  const show = (name: string) => run(connection, `SELECT current_setting('${name}') AS it`).then((rows) => rows[0]?.it);
  expect(await show("search_path")).toBe(`${names.schema}, pg_temp`);
  expect(await show("statement_timeout")).toBe("1min");
  expect(await show("idle_in_transaction_session_timeout")).toBe("1min");
  expect(await run(connection, "SELECT rolconnlimit AS it FROM pg_roles WHERE rolname = session_user")).toEqual([
    { it: 5 },
  ]);
});

test("the audit table takes rows and gives them, but changes none", async () => {
  const { connection } = await provisioned(await aLeader(postgres));
  await run(connection, "INSERT INTO audit VALUES (1, 'seen')");
  expect(await run(connection, "SELECT record FROM audit")).toEqual([{ record: "seen" }]);
  expect(await codeOfFailure(run(connection, "UPDATE audit SET record = 'unseen'"))).toBe("42501");
  expect(await codeOfFailure(run(connection, "DELETE FROM audit"))).toBe("42501");
  expect(await codeOfFailure(run(connection, "TRUNCATE audit"))).toBe("42501");
  expect(await codeOfFailure(run(connection, "INSERT INTO schema_version VALUES (99, 'x', 'x')"))).toBe("42501");
});

test("the second time nothing is written", async () => {
  const { database, epoch } = await aLeader(postgres);
  const request = aTenant();
  expect((await database.ensure(request, epoch)).steps).not.toEqual([]);
  const { password } = await database.ensurePassword(request, undefined, epoch);
  const before = await nextWrite(postgres.adminSettings());
  const again = await database.ensure(request, epoch);
  const same = await database.ensurePassword(request, password, epoch);
  await database.bootstrap();
  expect(await nextWrite(postgres.adminSettings())).toBe(before);
  expect(again).toMatchObject({ created: false, steps: [], repairs: [], migrations: { from: 1, to: 1 } });
  expect(same).toMatchObject({ changed: false, password });
});

test("a look at a tenant that needs nothing is five statements", async () => {
  const { admin, database, epoch } = await aLeader(postgres);
  const request = aTenant();
  await database.ensure(request, epoch);
  await database.ensure(request, epoch);
  const superuser = postgres.adminSettings(admin.database);
  await run(superuser, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
  await run(superuser, "SELECT pg_stat_statements_reset()");
  await database.ensure(request, epoch);
  const statements = await run<{ query: string; calls: number }>(
    superuser,
    "SELECT query, calls::int FROM pg_stat_statements WHERE userid <> current_user::regrole",
  );
  const calls = statements.reduce((sum, it) => sum + it.calls, 0);
  expect([calls, statements.map((it) => it.query.slice(0, 40))]).toEqual([5, expect.anything()]);
});

test("a changed connection limit is applied and is no repair", async () => {
  const { database, epoch } = await aLeader(postgres);
  const request = aTenant();
  await database.ensure(request, epoch);
  const changed = await database.ensure({ ...request, connectionLimit: 9 }, epoch);
  expect(changed.steps).toHaveLength(2);
  expect(changed.repairs).toEqual([]);
});

test("a superuser may be the operator too", async () => {
  const { database: name } = await postgres.createOperatorRole();
  const database = await openDatabase(postgres.adminSettings(name));
  await database.bootstrap();
  const leader = { database, epoch: await database.acquireEpoch("superuser") };
  const { request, connection, names } = await provisioned(leader);
  expect((await database.ensure(request, leader.epoch)).steps).toEqual([]);
  await run(connection, "INSERT INTO things VALUES (1, 'one')");
  await run(postgres.adminSettings(name), `ALTER ROLE ${names.logins.a} SUPERUSER`);
  expect((await database.ensure(request, leader.epoch)).repairs).toHaveLength(1);
  await database.deprovision(request, "Delete", leader.epoch);
  expect(await remains(postgres.adminSettings(name), names.schema)).toEqual([]);
});

test("killed between any two statements, the next call finishes", async () => {
  const { admin, database, epoch } = await aLeader(postgres);
  const provision = async (fault: { at: number; after?: "COMMIT" }) => {
    const breaking = breakingPool(fault);
    const broken = await openDatabase(admin, { openPool: breaking.openPool });
    const request = aTenant();
    const first = await codeOfFailure(broken.ensure(request, epoch));
    const second = await database.ensure(request, epoch);
    const third = await database.ensure(request, epoch);
    await broken.close();
    return { first, second, third, statements: breaking.count() };
  };
  const whole = await provision({ at: Number.POSITIVE_INFINITY });
  expect(whole).toMatchObject({ first: "no error", second: { steps: [] } });
  expect(whole.statements).toBeGreaterThan(15);
  for (let at = 1; at <= whole.statements; at++) {
    const { first, second, third } = await provision({ at });
    expect([at, first]).not.toEqual([at, "no error"]);
    expect([at, second.migrations.to, third.steps, third.repairs]).toEqual([at, 1, [], []]);
  }
  for (let at = 1; at <= 3; at++) {
    const { first, third } = await provision({ at, after: "COMMIT" });
    expect(first).not.toBe("no error");
    expect(third.steps).toEqual([]);
  }
}, 240_000);
