import { chown, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import { serverUser } from "../support/data-directory.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { olderPostgresMissing, startOlderPostgres } from "../support/older-postgres.ts";
import { type TinyDisk, tinyDisk } from "../support/tiny-disk.ts";
import { eventually } from "../support/eventually.ts";
import { aLeader, aTenant, closeDatabases, openDatabase, provisioned, remains, run } from "./fixture.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => {
  await closeDatabases();
  await postgres?.stop();
});

/** As a superuser. */
const asSuperuser = (sql: string, database?: string) => run(postgres.adminSettings(database), sql);
/** Everybody has to connect anew, and knows it: a pool that has not heard yet would give out what is about to break. */
const cutConnections = (database: string) =>
  asSuperuser(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${database}'`);
/** What the error of the tree says of itself, or "no error". */
const reasonOf = (work: Promise<unknown>): Promise<{ reason: string; message: string }> =>
  work.then(
    () => ({ reason: "no error", message: "" }),
    ({ reason, message }) => ({ reason, message }),
  );
const ownSchemas = async (admin: ConnectionSettings) =>
  (
    await run<{ name: string }>(
      admin,
      "SELECT nspname AS name FROM pg_namespace WHERE nspname LIKE ANY('{t\\_%,agentpg\\_%}')",
    )
  ).map((it) => it.name);

describe("a database that takes no writes", () => {
  test("is named for tenants at rest and for new ones, and is used again once it takes them", async () => {
    const leader = await aLeader(postgres);
    const { request } = await provisioned(leader);
    const { database: name } = leader.admin;
    const late = aTenant();
    await asSuperuser(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    await cutConnections(name);
    for (const tenant of [request, late]) {
      const { reason, message } = await reasonOf(leader.database.ensure(tenant, leader.epoch));
      expect(reason).toBe("DatabaseReadOnly");
      expect(message).toMatch(/default_transaction_read_only/);
    }
    expect(await reasonOf(leader.database.deprovision(request, "Delete", leader.epoch))).toMatchObject({
      reason: "DatabaseReadOnly",
    });
    expect(await leader.database.find(request.uid)).toMatchObject({ state: "active" });
    await asSuperuser(`ALTER DATABASE ${name} RESET default_transaction_read_only`);
    await cutConnections(name);
    expect((await leader.database.ensure(request, leader.epoch)).steps).toEqual([]);
    expect((await leader.database.ensure(late, leader.epoch)).created).toBe(true);
  });

  test("is noticed in sessions that are open already, when the server is set so", async () => {
    const leader = await aLeader(postgres);
    const { request } = await provisioned(leader);
    const ensure = () => reasonOf(leader.database.ensure(request, leader.epoch));
    try {
      await asSuperuser("ALTER SYSTEM SET default_transaction_read_only = on");
      await asSuperuser("SELECT pg_reload_conf()");
      await eventually(ensure, ({ reason }) => reason === "DatabaseReadOnly");
    } finally {
      await asSuperuser("ALTER SYSTEM RESET default_transaction_read_only");
      await asSuperuser("SELECT pg_reload_conf()");
    }
    await eventually(ensure, ({ reason }) => reason === "no error");
  });

  test("a standby is named as such, and used once it is promoted", async () => {
    const leader = await aLeader(postgres);
    const { request } = await provisioned(leader);
    await postgres.halt();
    const signal = join(postgres.dataDirectory, "standby.signal");
    await writeFile(signal, "");
    const user = serverUser();
    if (user) await chown(signal, user.uid, user.gid);
    const primary = postgres.restart(); // settles once it takes writes
    const ensure = () => reasonOf(leader.database.ensure(request, leader.epoch));
    const standby = await eventually(ensure, ({ reason }) => reason === "DatabaseReadOnly");
    expect(standby.message).toMatch(/standby.*promote/);
    await asSuperuser("SELECT pg_promote()");
    await primary;
    await eventually(ensure, ({ reason }) => reason === "no error");
  });
});

describe("a full disk", () => {
  let disk: TinyDisk | undefined;
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres(); // of its own: a tablespace that is unmounted disturbs the other databases
    disk = await tinyDisk(24);
  });
  afterAll(async () => {
    await server?.stop();
    await disk?.remove();
  });

  test("is named, leaves nothing half done, and is forgotten once there is space", async ({ skip }) => {
    if (!disk) return skip("only root may mount the small file system that this needs");
    const operator = await server.createOperatorRole();
    const admin = { ...operator, database: `${operator.database}_small` };
    await run(server.adminSettings(), `CREATE TABLESPACE small LOCATION '${disk.path}'`);
    await run(server.adminSettings(), `CREATE DATABASE ${admin.database} OWNER ${admin.user} TABLESPACE small`);
    const database = await openDatabase(admin);
    await database.bootstrap();
    const leader = { database, epoch: await database.acquireEpoch("leader") };
    const { request } = await provisioned(leader);
    await disk.fill();
    const late = aTenant();
    const full = await reasonOf(database.ensure(late, leader.epoch));
    expect(full).toMatchObject({ reason: "DatabaseFull", message: expect.stringMatching(/disk space/) });
    expect((await database.find(late.uid))?.schemaVersion ?? 0).toBe(0);
    expect(await database.find(request.uid)).toMatchObject({ state: "active", schemaVersion: 1 });
    await disk.empty();
    expect((await database.ensure(late, leader.epoch)).migrations).toMatchObject({ from: 0, to: 1 });
    await database.close();
  });
});

describe("a server", () => {
  test("without a free connection is named, and no password is changed for it", async () => {
    const leader = await aLeader(postgres);
    const { request, connection } = await provisioned(leader);
    await asSuperuser(`ALTER ROLE ${leader.admin.user} CONNECTION LIMIT 0`);
    await cutConnections(leader.admin.database);
    const crowded = await reasonOf(leader.database.ensurePassword(request, connection.password, leader.epoch));
    expect(crowded).toMatchObject({
      reason: "DatabaseConnectionsExhausted",
      message: expect.stringMatching(/max_connections/),
    });
    await asSuperuser(`ALTER ROLE ${leader.admin.user} CONNECTION LIMIT -1`);
    const after = await leader.database.ensurePassword(request, connection.password, leader.epoch);
    expect(after.changed).toBe(false);
  });

  test.skipIf(olderPostgresMissing)(
    `of an older major version is refused before anything is written ${olderPostgresMissing ?? ""}`,
    async () => {
      const older = await startOlderPostgres();
      try {
        const database = await openDatabase(older.admin);
        const refused = await reasonOf(database.bootstrap());
        expect(refused).toMatchObject({
          reason: "UnsupportedPostgresVersion",
          message: expect.stringMatching(/needs 16 or newer/),
        });
        expect(await reasonOf(database.ensure(aTenant(), 1))).toMatchObject({ reason: "UnsupportedPostgresVersion" });
        expect(await ownSchemas(older.admin)).toEqual([]);
        await database.close();
      } finally {
        await older.stop();
      }
    },
    120_000,
  );

  test("that does not keep text as UTF-8 is refused before anything is written", async () => {
    const operator = await postgres.createOperatorRole();
    const admin = { ...operator, database: `${operator.database}_ascii` };
    await asSuperuser(
      `CREATE DATABASE ${admin.database} OWNER ${admin.user} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'`,
    );
    const database = await openDatabase(admin);
    const refused = await reasonOf(database.bootstrap());
    expect(refused).toMatchObject({
      reason: "UnsupportedDatabaseEncoding",
      message: expect.stringMatching(/SQL_ASCII.*UTF8/),
    });
    expect(await ownSchemas(admin)).toEqual([]);
  });
});

describe("an operator's role", () => {
  /** An operator whose role lacks something, given by what is done to it; and what mends it. */
  const LACKING: [
    what: string,
    break_: (it: ConnectionSettings) => string,
    mend: (it: ConnectionSettings) => string,
    says: RegExp,
  ][] = [
    [
      "CREATEROLE",
      ({ user }) => `ALTER ROLE ${user} NOCREATEROLE`,
      ({ user }) => `ALTER ROLE ${user} CREATEROLE`,
      /CREATEROLE/,
    ],
    [
      "the ownership of the database",
      ({ database }) => `ALTER DATABASE ${database} OWNER TO postgres`,
      ({ database, user }) => `ALTER DATABASE ${database} OWNER TO ${user}`,
      /own/,
    ],
  ];
  test.each(LACKING)(
    "without %s is told so, writes nothing, and goes on once it has it",
    async (_what, break_, mend, says) => {
      const admin = await postgres.createOperatorRole();
      await asSuperuser(break_(admin));
      const database = await openDatabase(admin);
      const tenant = aTenant();
      const all = async () => {
        await database.bootstrap();
        return database.ensure(tenant, await database.acquireEpoch("leader"));
      };
      const refused = await reasonOf(all());
      expect(refused).toMatchObject({ reason: "InsufficientPrivilege", message: expect.stringMatching(says) });
      expect((await ownSchemas(admin)).filter((it) => it.startsWith("t_"))).toEqual([]);
      await asSuperuser(mend(admin));
      expect((await all()).created).toBe(true);
    },
  );

  /** Settings that lead nowhere, and what the operator says of them. */
  const WRONG: [what: string, more: Partial<ConnectionSettings>, reason: string][] = [
    ["a wrong password", { password: "wrong" }, "DatabaseAuthenticationFailed"],
    ["another user's name", { user: "nobody_of_this_name" }, "DatabaseAuthenticationFailed"],
    ["a host that nobody has", { host: "no-such-host.invalid" }, "DatabaseUnreachable"],
    ["a database that is missing", { database: "no_such_database" }, "DatabaseMissing"],
    ["a CA that is no certificate", { tls: { ca: "garbage" } }, "DatabaseTlsFailed"],
    ["a CA that is cut off", { tls: { ca: "-----BEGIN CERTIFICATE-----\nMIIB\n" } }, "DatabaseTlsFailed"],
  ];
  test.each(WRONG)("with %s is told so, and goes on with the right ones", async (_what, more, reason) => {
    const admin = await postgres.createOperatorRole();
    const database = await openDatabase({ ...admin, ...more });
    expect(await reasonOf(database.bootstrap())).toMatchObject({ reason });
    expect(await reasonOf(database.ping())).toMatchObject({ reason });
    await database.reconnect(admin);
    await database.bootstrap();
  });
});

test("a tenant that is half made when its connection breaks is made whole by the next call", async () => {
  const leader = await aLeader(postgres);
  const tenant = aTenant();
  const first = reasonOf(leader.database.ensure(tenant, leader.epoch));
  await postgres.restart();
  await first;
  const { id } = await leader.database.ensure(tenant, leader.epoch);
  expect(await remains(postgres.adminSettings(leader.admin.database), id)).not.toEqual([]);
});
