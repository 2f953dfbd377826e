import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TenantDatabaseNames } from "../../src/api/names.ts";
import { type ConnectionSettings, GUIDE_POOL_LIMITS } from "../../src/database/connection.ts";
import { AgentDatabase } from "../../src/database/runs/database.ts";
import { requireSearchPath } from "../../src/database/runs/search-path.ts";
import { schemaVersion } from "../../src/database/runs/load.ts";
import { pgBouncerMissing, startPgBouncer, type TestPgBouncer } from "../support/pgbouncer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { aLeader, closeDatabases, openDatabase, provisioned, run, withClient } from "./fixture.ts";

/** PgBouncer's code for a wrong password, or for nearly everything. */
const REFUSED = expect.stringMatching(/^(28P01|08P01)$/) as unknown;

const missing = await pgBouncerMissing();
describe.skipIf(missing)(`PgBouncer in transaction mode${missing ? ` (${missing})` : ""}`, () => {
  let postgres: TestPostgres;
  /** One server connection for each login: whoever is a client of a login shares it. */
  let pooler: TestPgBouncer;
  let leader: Awaited<ReturnType<typeof aLeader>>;
  let names: TenantDatabaseNames;
  let connection: ConnectionSettings;
  let other: { names: TenantDatabaseNames; connection: ConnectionSettings };
  const opened: AgentDatabase[] = [];
  const agentDatabase = (settings: ConnectionSettings, schema = names.schema) => {
    const db = new AgentDatabase(schema, settings, "test", GUIDE_POOL_LIMITS, () => {});
    opened.push(db);
    return db;
  };
  beforeAll(async () => {
    postgres = await startPostgres();
    pooler = await startPgBouncer({ postgres, settings: { default_pool_size: 1 } });
    leader = await aLeader(postgres);
    const tenant = await provisioned(leader);
    names = tenant.names;
    connection = { ...(await pooler.connection(tenant.connection)), pooler: "Transaction" };
    const attacker = await provisioned(leader);
    other = { names: attacker.names, connection: await pooler.connection(attacker.connection) };
  });
  afterAll(async () => {
    await Promise.all(opened.map((it) => it.close()));
    await closeDatabases();
    await pooler?.stop();
    await postgres?.stop();
  });

  it("lets a login in with TLS and SCRAM, and with its new password without a reload", async () => {
    const { request, connection: direct } = await provisioned(leader);
    const through = await pooler.connection(direct);
    const who = [{ who: direct.user }];
    expect(await run(through, "SELECT session_user AS who")).toEqual(who);
    const { password } = await leader.database.ensurePassword(request, undefined, leader.epoch);
    expect(await run({ ...through, password }, "SELECT session_user AS who")).toEqual(who);
    await expect(run(through, "SELECT 1")).rejects.toMatchObject({
      code: REFUSED,
    });
    await expect(run({ ...through, tls: { ca: "" } }, "SELECT 1")).rejects.toThrow(/certificate/);
  });

  it("serves an agent that knows of it: the schema is found, statements have no names", async () => {
    const db = agentDatabase(connection);
    await requireSearchPath(db);
    expect(await schemaVersion(db)).toBe(1);
    const rounds = Array.from({ length: 40 }, (_, i) => db.query<{ n: number }>("echo", "SELECT $1::int AS n", [i]));
    expect((await Promise.all(rounds)).flat().map((it) => it.n)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(await db.query("left", "SELECT name FROM pg_prepared_statements")).toEqual([]);
  });

  it("is named, with the setting, to an agent that does not know of it", async () => {
    const { pooler: _, ...direct } = connection;
    const db = agentDatabase(direct);
    await expect(db.query("one", "SELECT 1")).rejects.toMatchObject({
      name: "DatabasePoolerUnexpected",
      message: expect.stringMatching(/database\.pooler: Transaction, or AGENTPG_POOLER=Transaction/) as unknown,
    });
  });

  it("is named too where it takes the settings of a session and only mixes up statements", async () => {
    const settings = { default_pool_size: 2, ignore_startup_parameters: "options,statement_timeout" };
    const lenient = await startPgBouncer({ postgres, settings });
    try {
      const { pooler: _, ...direct } = connection;
      const db = agentDatabase({ ...direct, port: lenient.port });
      const ask = () => db.query("wait", "SELECT pg_sleep(0.01), $1::int", [1]);
      const outcomes = await Promise.allSettled(Array.from({ length: 100 }, ask));
      const failed = outcomes.flatMap((it) => (it.status === "rejected" ? [it.reason as Error] : []));
      expect(new Set(failed.map((it) => it.name))).toEqual(new Set(["DatabasePoolerUnexpected"]));
    } finally {
      await lenient.stop();
    }
  });

  it("is named to an operator that was sent there: it needs Postgres' own address", async () => {
    const admin = await pooler.connection(leader.admin);
    const database = await openDatabase(admin);
    await expect(database.find("nobody")).rejects.toThrow(/the operator itself has to reach Postgres directly/);
  });

  it("is refused with the remedy where the login does not find its schema by itself", async () => {
    const { connection: direct, names: its } = await provisioned(leader);
    await run(leader.admin, `ALTER ROLE ${direct.user} RESET search_path`);
    const db = agentDatabase({ ...(await pooler.connection(direct)), pooler: "Transaction" }, its.schema);
    await expect(requireSearchPath(db)).rejects.toThrow(
      `ALTER ROLE ${direct.user} SET search_path = ${its.schema}, pg_temp`,
    );
  });

  describe("what another tenant leaves behind on its server connection", () => {
    /** What it does, and how it shows to the next client of the same login. */
    const LEFT: [string, (me: TenantDatabaseNames) => string, string][] = [
      ["a search_path", () => "SET search_path = pg_catalog", "SELECT current_setting('search_path') AS seen"],
      ["a setting", () => "SET work_mem = '65kB'", "SELECT current_setting('work_mem') AS seen"],
      ["a role", (me) => `SET ROLE ${me.tool}`, "SELECT (current_user <> session_user)::text AS seen"],
      [
        "a session's defaults",
        () => "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SELECT current_setting('default_transaction_read_only') AS seen",
      ],
      [
        "a prepared statement",
        () => "PREPARE trap AS SELECT 1",
        "SELECT count(*)::text AS seen FROM pg_prepared_statements",
      ],
      [
        "a cursor",
        () => "BEGIN; DECLARE trap CURSOR WITH HOLD FOR SELECT 1; COMMIT",
        "SELECT count(*)::text AS seen FROM pg_cursors",
      ],
      ["a channel", () => "LISTEN trap", "SELECT count(*)::text AS seen FROM pg_listening_channels()"],
    ];
    const seenBy = async (settings: ConnectionSettings, look: string) =>
      (await run<{ seen: string }>(settings, look))[0]?.seen;

    it.each(LEFT)("%s is not there for a tenant", async (_, leave, look) => {
      const before = await seenBy(connection, look);
      await run(other.connection, leave(other.names));
      // It does stay, for clients of the same login: the pooler cleans nothing up.
      expect(await seenBy(other.connection, look)).not.toBe(before);
      expect(await seenBy(connection, look)).toBe(before);
      await run(other.connection, "RESET SESSION AUTHORIZATION; DISCARD ALL").catch(() =>
        run(other.connection, "DISCARD ALL"),
      );
    });

    it("is not there because a server connection belongs to one login", async () => {
      const pid = "SELECT pg_backend_pid()::text AS seen";
      const mine = await seenBy(connection, pid);
      const its = await Promise.all([1, 2, 3, 4].map(() => seenBy(other.connection, pid)));
      expect(new Set(its).size).toBe(1);
      expect(its).not.toContain(mine);
      expect(await seenBy(connection, pid)).toBe(mine);
    });

    it("does not become a tenant's by asking for its login or its schema at the start", async () => {
      const asTheOther = { ...other.connection, user: connection.user };
      await expect(run(asTheOther, "SELECT 1")).rejects.toMatchObject({ code: REFUSED });
      await withClient(other.connection, async (client) => {
        await expect(client.query(`SET SESSION AUTHORIZATION ${connection.user}`)).rejects.toMatchObject({
          code: "42501",
        });
        await expect(client.query(`SELECT * FROM ${names.schema}.things`)).rejects.toMatchObject({ code: "42501" });
      });
    });

    it("does not let an agent's tool leave its role to the next transaction", async () => {
      const db = agentDatabase(connection);
      await db.withConnection(async (client) => {
        await client.query(`BEGIN READ ONLY; SELECT set_config('role', '${names.tool}', true)`);
        await client.query("ROLLBACK");
      });
      expect(await seenBy(connection, "SELECT current_user AS seen")).toBe(connection.user);
    });
  });
});
