import { afterAll, beforeAll, expect, test } from "vitest";
import { DatabaseAuthenticationFailed, DatabaseTlsFailed, DatabaseUnreachable } from "../../src/database/errors.ts";
import { loginWorks } from "../../src/database/login.ts";
import { makeCertificates, startPostgres, type TestPostgres } from "../support/postgres.ts";
import { aLeader, closeDatabases, codeOfFailure, held, openDatabase, provisioned, run } from "./fixture.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres({ listenAddresses: "127.0.0.1,127.0.0.2" });
});
afterAll(async () => {
  await closeDatabases();
  await postgres?.stop();
});

test("a password that logs in is kept; a missing, empty or wrong one is replaced", async () => {
  const leader = await aLeader(postgres);
  const { request, connection } = await provisioned(leader);
  const ensure = (current: string | undefined) => leader.database.ensurePassword(request, current, leader.epoch);
  expect(await ensure(connection.password)).toMatchObject({
    changed: false,
    password: connection.password,
    connection,
  });
  for (const bad of [undefined, "", "wrong"]) {
    const { changed, password } = await ensure(bad);
    expect(changed).toBe(true);
    expect(password).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(await codeOfFailure(run({ ...connection, password }, "SELECT 1"))).toBe("no error");
  }
  expect(await codeOfFailure(run(connection, "SELECT 1"))).toBe("28P01");
});

test("a tenant that changed its own password gets a new one", async () => {
  const leader = await aLeader(postgres);
  const { request, names, connection } = await provisioned(leader);
  await run(connection, `ALTER ROLE ${names.logins.a} PASSWORD 'stolen'`);
  const { changed, password } = await leader.database.ensurePassword(request, connection.password, leader.epoch);
  expect(changed).toBe(true);
  expect(await codeOfFailure(run({ ...connection, password: "stolen" }, "SELECT 1"))).toBe("28P01");
  expect(await codeOfFailure(run({ ...connection, password }, "SELECT 1"))).toBe("no error");
});

test("the server never sees the password", async () => {
  const leader = await aLeader(postgres);
  const superuser = postgres.adminSettings(leader.admin.database);
  await run(superuser, "CREATE EXTENSION pg_stat_statements");
  const { names, connection } = await provisioned(leader);
  const seen = await run<{ query: string }>(superuser, "SELECT query FROM pg_stat_statements");
  const about = seen.filter(({ query }) => query.includes(`"${names.logins.a}" PASSWORD`));
  expect(about).toHaveLength(1);
  expect(seen.some(({ query }) => query.includes(connection.password))).toBe(false);
  const [stored] = await run(superuser, "SELECT rolpassword FROM pg_authid WHERE rolname = $1", [names.logins.a]);
  expect(stored?.rolpassword).toMatch(/^SCRAM-SHA-256\$4096:/);
});

test("a tenant that uses all its connections keeps its password", async () => {
  const leader = await aLeader(postgres);
  const { request, connection } = await provisioned(leader);
  const all = await Promise.all(Array.from({ length: request.connectionLimit }, () => held(connection)));
  expect(await codeOfFailure(run(connection, "SELECT 1"))).toBe("53300");
  expect(await leader.database.ensurePassword(request, connection.password, leader.epoch)).toMatchObject({
    changed: false,
  });
  await Promise.all(all.map((it) => it.close()));
});

test("a login attempt tells a wrong password from a server that cannot be asked", async () => {
  const admin = await postgres.createOperatorRole();
  const attempt = (more: object, password = admin.password) =>
    loginWorks({ ...admin, ...more }, admin.user, password).then((it) => it.result);
  expect(await attempt({})).toBe("ok");
  expect(await attempt({}, "wrong")).toBe("wrong password");
  expect(await attempt({}, "")).toBe("wrong password");
  expect(await attempt({ port: 1 })).toBe("cannot connect");
  expect(await attempt({ database: "nowhere" })).toBe("cannot connect");
});

test("each way in which the database cannot be used has its own error, and none shows a secret", async () => {
  const admin = await postgres.createOperatorRole();
  const { ca } = await makeCertificates(["localhost"]);
  const plain = await startPostgres({ tls: "offered", settings: { ssl: "off" } });
  const pinged = async (more: object) => {
    const database = await openDatabase({ ...admin, ...more });
    const error = await database.ping().catch((it) => it);
    expect(String(error.message)).not.toContain(admin.password);
    const viaPool = await database.bootstrap().catch((it) => it);
    return [error.name, viaPool.name];
  };
  expect(await pinged({ port: 1 })).toEqual([DatabaseUnreachable.name, DatabaseUnreachable.name]);
  expect(await pinged({ host: "no-such-host.invalid" })).toEqual([DatabaseUnreachable.name, DatabaseUnreachable.name]);
  expect(await pinged({ password: "wrong" })).toEqual([
    DatabaseAuthenticationFailed.name,
    DatabaseAuthenticationFailed.name,
  ]);
  expect(await pinged({ database: "nowhere" })).toEqual(["DatabaseMissing", "DatabaseMissing"]);
  expect(await pinged({ tls: { ca } })).toEqual([DatabaseTlsFailed.name, DatabaseTlsFailed.name]);
  // It listens there too, but its certificate does not say so.
  expect(await pinged({ host: "127.0.0.2" })).toEqual([DatabaseTlsFailed.name, DatabaseTlsFailed.name]);
  expect((await pinged({ port: plain.port, tls: { ca: plain.ca } }))[0]).toBe(DatabaseTlsFailed.name);
  await plain.stop();
});

test("a server that takes connections and never answers is an error within seconds", async () => {
  const { createServer } = await import("node:net");
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  const admin = await postgres.createOperatorRole();
  const database = await openDatabase({ ...admin, port: (silent.address() as { port: number }).port });
  const started = Date.now();
  await expect(database.ping()).rejects.toThrow(DatabaseUnreachable);
  await expect(database.bootstrap()).rejects.toThrow(DatabaseUnreachable);
  expect(Date.now() - started).toBeLessThan(12_000);
  silent.close();
});

test("after the server restarted, and after new admin credentials, work goes on", async () => {
  const { admin, database, epoch } = await aLeader(postgres);
  const { request } = await provisioned({ database, epoch });
  await postgres.restart();
  expect((await database.ensure(request, epoch)).steps).toEqual([]);
  await run(postgres.adminSettings(), `ALTER ROLE ${admin.user} PASSWORD 'another'`);
  await database.reconnect({ ...admin, password: "another" });
  await database.ping();
  expect((await database.ensure(request, epoch)).steps).toEqual([]);
});
