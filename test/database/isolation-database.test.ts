import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InsufficientPrivilege, IsolationDiffers, StaleEpoch } from "../../src/database/errors.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import {
  aLeader,
  aTenant,
  breakingPool,
  closeDatabases,
  codeOfFailure,
  held,
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

const strict = (more = {}) => aTenant({ isolation: "database", ...more });
const superuser = (database?: string) => postgres.adminSettings(database);

test("the tenant's login works in the tenant's own database, and the second look writes nothing", async () => {
  const leader = await aLeader(postgres);
  const { request, names, connection } = await provisioned(leader, strict());
  expect(connection.database).toBe(names.schema);
  await run(connection, "INSERT INTO things VALUES (1, 'one')");
  expect(await run(connection, "SELECT count(*)::int AS n, answer() FROM things")).toEqual([{ n: 1, answer: 42 }]);
  expect(await run(leader.admin, "SELECT FROM pg_namespace WHERE nspname = $1", [names.schema])).toEqual([]);
  const before = await nextWrite(superuser());
  const again = await leader.database.ensure(request, leader.epoch);
  expect(await nextWrite(superuser())).toBe(before);
  expect(again).toMatchObject({ database: names.schema, steps: [], repairs: [], migrations: { from: 1, to: 1 } });
});

test("each login is let into its own database only", async () => {
  const leader = await aLeader(postgres);
  const mine = await provisioned(leader, strict());
  const theirs = await provisioned(leader, strict());
  const shared = await provisioned(leader);
  const enter = (as: typeof mine, database: string) => codeOfFailure(run({ ...as.connection, database }, "SELECT 1"));
  expect(await enter(mine, mine.names.schema)).toBe("no error");
  for (const [who, where] of [
    [mine, theirs.names.schema],
    [mine, leader.admin.database],
    [shared, mine.names.schema],
  ] as const)
    expect(await enter(who, where)).toBe("42501");
  // It can fail: this is what lets one in.
  await run(superuser(), `GRANT CONNECT ON DATABASE ${theirs.names.schema} TO PUBLIC`);
  expect(await enter(mine, theirs.names.schema)).toBe("no error");
  expect((await leader.database.ensure(theirs.request, leader.epoch)).repairs.join()).toContain("from PUBLIC");
  expect(await enter(mine, theirs.names.schema)).toBe("42501");
});

test("drift in the tenant's own database, and around it, is repaired and reported", async () => {
  const leader = await aLeader(postgres);
  const { request, names } = await provisioned(leader, strict());
  const { admin } = leader;
  const drift: [string, string, string][] = [
    [names.schema, `GRANT SELECT ON ${names.schema}.things TO PUBLIC`, "from PUBLIC"],
    [names.schema, `ALTER TABLE ${names.schema}.things DISABLE ROW LEVEL SECURITY`, "row-level security"],
    [names.schema, "GRANT CREATE ON SCHEMA public TO PUBLIC", "schema public from PUBLIC"],
    [names.schema, `GRANT TEMP ON DATABASE ${names.schema} TO PUBLIC`, "from PUBLIC"],
    [admin.database, `ALTER DATABASE ${names.schema} IS_TEMPLATE true`, "no template"],
    [admin.database, `ALTER DATABASE ${names.schema} ALLOW_CONNECTIONS false`, "allowed connections"],
    [admin.database, `GRANT CONNECT ON DATABASE ${admin.database} TO ${names.readWrite}`, "revoked CONNECT"],
    [admin.database, `ALTER ROLE ${names.logins.a} SET statement_timeout = 0`, "statement_timeout"],
  ];
  for (const [database, sql, repair] of drift) {
    await run(superuser(database), sql);
    const { repairs } = await leader.database.ensure(request, leader.epoch);
    expect([sql, repairs.join()]).toEqual([sql, expect.stringContaining(repair)]);
    expect((await leader.database.ensure(request, leader.epoch)).steps).toEqual([]);
  }
});

test("killed between any two statements, the next call finishes, and nobody was let in meanwhile", async () => {
  const { admin, database, epoch } = await aLeader(postgres);
  const stranger = await provisioned({ database, epoch });
  for (let at = 1, done = false; !done; at++) {
    const broken = await openDatabase(admin, { openPool: breakingPool({ at }).openPool });
    const request = strict();
    done = (await codeOfFailure(broken.ensure(request, epoch))) === "no error";
    const id = (await database.find(request.uid))?.id;
    const enter = id && (await codeOfFailure(run({ ...stranger.connection, database: id }, "SELECT 1")));
    expect(["not there", "3D000", "42501", "55000"]).toContain(enter ?? "not there");
    const second = await database.ensure(request, epoch);
    const third = await database.ensure(request, epoch);
    expect([at, second.migrations.to, third.steps, third.repairs]).toEqual([at, 1, [], []]);
    await broken.close();
    await database.deprovision(request, "Delete", epoch);
    expect(at).toBeLessThan(100);
  }
}, 240_000);

test("Delete drops the database whoever is in it; killed at every third statement, the next call goes on", async () => {
  const leader = await aLeader(postgres);
  for (let at = 1, done = false; !done; at += 3) {
    const { request, names, connection } = await provisioned(leader, strict());
    const atWork = await held(connection);
    const broken = await openDatabase(leader.admin, { openPool: breakingPool({ at }).openPool });
    done = (await codeOfFailure(broken.deprovision(request, "Delete", leader.epoch))) === "no error";
    await leader.database.deprovision(request, "Delete", leader.epoch);
    expect([at, await remains(superuser(leader.admin.database), names.schema)]).toEqual([at, []]);
    expect(atWork.isOpen()).toBe(false);
    await broken.close();
    expect(at).toBeLessThan(100);
  }
}, 240_000);

test("Retain closes the logins; the data is adopted only as what it is, a database", async () => {
  const leader = await aLeader(postgres);
  const { request, names, connection } = await provisioned(leader, strict());
  await run(connection, "INSERT INTO things VALUES (1, 'kept')");
  await leader.database.deprovision(request, "Retain", leader.epoch);
  expect(await codeOfFailure(run(connection, "SELECT 1"))).toBe("28P01");
  const again = { ...request, uid: randomUUID(), adopt: true };
  await expect(leader.database.ensure({ ...again, isolation: "schema" }, leader.epoch)).rejects.toThrow(
    IsolationDiffers,
  );
  expect(await leader.database.ensure(again, leader.epoch)).toMatchObject({ id: names.schema, adopted: true });
  const fresh = await leader.database.ensurePassword(again, undefined, leader.epoch);
  expect(await run(fresh.connection, "SELECT note FROM things")).toEqual([{ note: "kept" }]);
});

test("an operator without CREATEDB is told so, and goes on once it has it", async () => {
  const leader = await aLeader(postgres);
  const request = strict();
  await run(superuser(), `ALTER ROLE ${leader.admin.user} NOCREATEDB`);
  const refused = await leader.database.ensure(request, leader.epoch).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(InsufficientPrivilege);
  expect(String(refused)).toContain(`ALTER ROLE "${leader.admin.user}" CREATEDB`);
  await run(superuser(), `ALTER ROLE ${leader.admin.user} CREATEDB`);
  expect((await leader.database.ensure(request, leader.epoch)).migrations.to).toBe(1);
});

test("a database that somebody else owns is refused", async () => {
  const leader = await aLeader(postgres);
  const { request, names } = await provisioned(leader, strict());
  await run(superuser(), `ALTER DATABASE ${names.schema} OWNER TO postgres`);
  await expect(leader.database.ensure(request, leader.epoch)).rejects.toThrow(/OWNER TO/);
  await run(superuser(), `ALTER DATABASE ${names.schema} OWNER TO ${leader.admin.user}`);
  expect((await leader.database.ensure(request, leader.epoch)).steps).toEqual([]);
});

test("an old leader makes and drops no database, and writes nothing in one", async () => {
  const old = await aLeader(postgres);
  const { request, names, connection } = await provisioned(old, strict());
  await (await openDatabase(old.admin)).acquireEpoch("successor");
  await run(superuser(names.schema), `ALTER TABLE ${names.schema}.things DISABLE ROW LEVEL SECURITY`);
  const late = strict();
  await expect(old.database.ensure(late, old.epoch)).rejects.toThrow(StaleEpoch);
  await expect(old.database.ensure(request, old.epoch)).rejects.toThrow(StaleEpoch);
  await expect(old.database.deprovision(request, "Delete", old.epoch)).rejects.toThrow(StaleEpoch);
  expect(await old.database.find(late.uid)).toBeUndefined();
  expect(await run(connection, "SELECT count(*)::int AS n FROM things")).toEqual([{ n: 0 }]);
});
