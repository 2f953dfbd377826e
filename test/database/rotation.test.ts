import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { schemaName } from "../../src/api/names.ts";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import { StaleEpoch } from "../../src/database/errors.ts";
import { loginWorks } from "../../src/database/login.ts";
import type { AgentPath } from "../../src/database/password.ts";
import { DRAIN_LIMITS, type DrainLimits } from "../../src/database/rotation/drain.ts";
import type { EnsuredCredentials } from "../../src/database/rotation/ensure-credentials.ts";
import { AgentDatabase } from "../../src/database/runs/database.ts";
import type { TenantDatabase, TenantRequest } from "../../src/database/tenants.ts";
import { secretFiles, SecretVolume } from "../runtime/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { RotatingPod } from "../support/rotating-pod.ts";
import { aLeader, aTenant, breakingPool, closeDatabases, codeOfFailure, held, openDatabase, run } from "./fixture.ts";

let postgres: TestPostgres;
let folder: string;
const pods = new Set<RotatingPod>();
beforeAll(async () => {
  postgres = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), "agentpg-rotation-"));
});
afterEach(async () => {
  await Promise.all([...pods].map((it) => it.stop()));
  pods.clear();
});
afterAll(async () => {
  await closeDatabases();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Pods here need no minute: nothing is waited for that does not happen. */
const LIMITS: DrainLimits = { ...DRAIN_LIMITS, startSeconds: 0 };

/** A tenant, its Secret, and what the operator does with both. */
class World {
  readonly admin: ConnectionSettings;
  readonly request: TenantRequest;
  readonly volume: SecretVolume;
  database: TenantDatabase;
  epoch: number;
  secret: { user: string; password: string } | undefined;
  requested: string | undefined;
  limits = LIMITS;
  agentPath: AgentPath | undefined;
  running: string[] = [];
  believesRegistry = false;
  repairs: string[] = [];
  endedAtWork = 0;
  schema = "";

  private constructor(admin: ConnectionSettings, database: TenantDatabase, epoch: number) {
    this.admin = admin;
    this.database = database;
    this.epoch = epoch;
    this.request = aTenant({ connectionLimit: 50 });
    this.volume = new SecretVolume(join(folder, this.request.uid));
  }

  static async create(server: TestPostgres = postgres): Promise<World> {
    const { admin, database, epoch } = await aLeader(server, { migrationsDir: "migrations" });
    const world = new World(admin, database, epoch);
    world.schema = (await database.ensure(world.request, epoch)).names.schema;
    await world.settle();
    return world;
  }

  /** One reconcile: goes on as far as it can, and publishes. */
  async step(database = this.database): Promise<EnsuredCredentials> {
    for (;;) {
      const tenant = await database.find(this.request.uid);
      if (!tenant) throw new Error("no such tenant");
      const wish = { requested: this.requested, maxAgeDays: 30 };
      const { limits, agentPath, believesRegistry, secret: published } = this;
      const runningPods = async () => this.running;
      const result = await database.ensureCredentials(
        { tenant, published, wish, limits, runningPods, agentPath, believesRegistry },
        this.epoch,
      );
      this.repairs.push(...result.repairs);
      this.endedAtWork += result.endedAtWork;
      if (result.credentials) await this.publish(result.credentials);
      if (!result.again) return result;
    }
  }

  async publish({ user, password, revision }: { user: string; password: string; revision: string }): Promise<void> {
    if (!/^[\w-]{43}$/.test(password)) throw new Error("this is no password to publish");
    if (this.secret?.user === user && this.secret.password === password) return;
    this.secret = { user, password };
    await this.volume.publish(secretFiles(this.connection, this.schema, revision));
  }

  /** Reconciles until no rotation is under way. */
  async settle(database = this.database, seconds = 30): Promise<EnsuredCredentials> {
    return eventually(
      () => this.step(database),
      ({ tenant }) => tenant.rotation === undefined,
      seconds,
      50,
    );
  }

  /** A whole rotation. */
  async rotate(database = this.database): Promise<void> {
    this.requested = `${Math.random()}`;
    await this.settle(database);
  }

  get connection(): ConnectionSettings {
    return { ...this.admin, user: this.secret?.user ?? "", password: this.secret?.password ?? "" };
  }

  async pod(rate = 100): Promise<RotatingPod> {
    const pod = await new RotatingPod({ directory: this.volume.path, rate }).start();
    pods.add(pod);
    return pod;
  }

  superuser = (): ConnectionSettings => postgres.adminSettings(this.admin.database);
}

const isDead = async (login: ConnectionSettings): Promise<boolean> =>
  (await loginWorks(login, login.user, login.password)).result !== "ok";

/** Looks at the logins again and again; tells when no login was open, or one was open without a password. */
function watchLogins(world: World): { stop(): Promise<string[]> } {
  const wrong: string[] = [];
  const end = new AbortController();
  const watch = async () => {
    const looker = await held(world.superuser());
    while (!end.signal.aborted) {
      const { rows } = await looker.client.query<{ open: boolean; bare: boolean }>(
        "SELECT rolcanlogin AS open, rolcanlogin AND rolpassword IS NULL AS bare FROM pg_authid WHERE rolname = ANY($1)",
        [[`${world.schema}_a`, `${world.schema}_b`]],
      );
      if (!rows.some((row) => row.open)) wrong.push("both logins are closed");
      if (rows.some((row) => row.bare)) wrong.push("a login without a password is open");
      await sleep(2);
    }
    await looker.close();
  };
  const done = watch();
  return {
    async stop() {
      end.abort();
      await done;
      return wrong;
    },
  };
}

test("a rotated password fails no query, and the old one is dead", async () => {
  const world = await World.create();
  const old = world.connection;
  const load = await Promise.all([world.pod(), world.pod()]);
  await world.rotate();
  expect(world.connection.user).not.toBe(old.user);
  expect(await isDead(old)).toBe(true);
  await Promise.all(load.map((it) => it.stop()));
  expect(load.flatMap((it) => it.failures)).toEqual([]);
  expect(Math.min(...load.map((it) => it.queries))).toBeGreaterThan(10);
  const [left] = await run(
    world.superuser(),
    `SELECT rolcanlogin AS open, rolpassword AS password, (SELECT count(*)::int FROM pg_stat_activity WHERE usename = rolname) AS connections
       FROM pg_authid WHERE rolname = $1`,
    [old.user],
  );
  expect(left).toEqual({ open: false, password: null, connections: 0 });
});

test("broken before any statement and after any commit, a rotation goes on; no query fails", async () => {
  const world = await World.create();
  const load = await world.pod(200);
  const logins = watchLogins(world);
  const rotateBroken = async (fault: { at: number; after?: "COMMIT" }) => {
    const old = world.connection;
    const breaking = breakingPool(fault);
    const broken = await openDatabase(world.admin, { migrationsDir: "migrations", openPool: breaking.openPool });
    const first = await codeOfFailure(world.rotate(broken));
    await broken.close();
    await world.settle();
    expect([fault, await isDead(old), load.failures]).toEqual([fault, true, []]);
    return { reached: breaking.count() >= fault.at, broke: first !== "no error" };
  };
  for (let at = 1; (await rotateBroken({ at })).reached; at++) if (at > 200) throw new Error("a rotation without end");
  for (let at = 1; at <= 12; at++) await rotateBroken({ at, after: "COMMIT" });
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(await logins.stop()).toEqual([]);
}, 600_000);

test.each([
  ["gone", () => undefined],
  ["of the other login", ({ user, password }: Login) => ({ user: user.replace(/a$/, "b"), password })],
  ["with another password", ({ user }: Login) => ({ user, password: "made-up" })],
])("a Secret that is %s is replaced over the other login, and pods go on with what they have", async (_, spoil) => {
  const world = await World.create();
  const load = await world.pod();
  const old = world.connection;
  const { credentialsRevision } = (await world.database.find(world.request.uid)) ?? {};
  const behind = await reporting(world, credentialsRevision ?? "");
  world.secret = spoil(world.secret as Login);
  const { tenant } = await world.step();
  expect(tenant.rotation).toMatchObject({ step: "draining" });
  expect(await isDead(old)).toBe(false);
  await behind.gone();
  await world.settle();
  expect(await isDead(old)).toBe(true);
  await load.stop();
  expect(load.failures).toEqual([]);
});

interface Login {
  user: string;
  password: string;
}

test("a Secret that is lost in the middle of a rotation is replaced, and the rotation ends", async () => {
  const world = await World.create();
  const old = world.connection;
  world.requested = "once";
  const tenant = await world.database.find(world.request.uid);
  const behind = await reporting(world, tenant?.credentialsRevision ?? "");
  expect((await world.step()).tenant.rotation?.step).toBe("draining");
  const lost = world.connection;
  world.secret = undefined;
  expect((await world.step()).tenant.rotation?.step).toBe("draining");
  expect(world.connection).not.toEqual(lost);
  expect([await isDead(lost), await isDead(old)]).toEqual([true, false]);
  await behind.gone();
  await world.settle();
  expect([await isDead(world.connection), await isDead(old)]).toEqual([false, true]);
});

/** A row as a living pod writes it. */
async function reporting(world: World, credentials: string) {
  const report = JSON.stringify({ pod: "pod-1", credentials, problem: null });
  await run(
    world.superuser(),
    `INSERT INTO ${world.schema}.workers (id, agent, expires_at, report) VALUES (gen_random_uuid(), 'a', now() + interval '1 hour', $1)`,
    [report],
  );
  return { gone: () => run(world.superuser(), `UPDATE ${world.schema}.workers SET expires_at = now()`) };
}

test("a living pod with the old login is waited for without end, and somebody is told", async () => {
  const world = await World.create();
  const old = world.connection;
  const pod = await reporting(world, (await world.database.find(world.request.uid))?.credentialsRevision ?? "");
  world.requested = "once";
  expect(await world.step()).toMatchObject({ stuck: false, waitingFor: expect.stringContaining("pod-1") });
  world.limits = { ...LIMITS, stuckSeconds: 0, graceSeconds: 0 };
  expect(await world.step()).toMatchObject({ stuck: true, waitingFor: expect.stringContaining("delete these pods") });
  expect(await isDead(old)).toBe(false);
  await pod.gone();
  await world.settle();
  expect(await isDead(old)).toBe(true);
});

test("a connection at work is waited for within the grace, one that is quiet is not", async () => {
  const world = await World.create();
  const quiet = await held(world.connection);
  await quiet.client.query("SELECT 1");
  const busy = await held(world.connection);
  await busy.client.query("BEGIN");
  world.requested = "once";
  world.limits = { ...LIMITS, quietSeconds: 0 };
  expect((await world.step()).waitingFor).toContain("1 connections of the old login (1 at work)");
  expect([quiet.isOpen(), busy.isOpen()]).toEqual([true, true]);
  await busy.client.query("COMMIT");
  await world.settle();
  expect(world.endedAtWork).toBe(0);
  await eventually(
    () => [quiet.isOpen(), busy.isOpen()],
    (open) => !open[0] && !open[1],
  );
});

test("a connection at work that no pod accounts for is ended after the grace, and counted", async () => {
  const world = await World.create();
  const old = world.connection;
  const busy = await held(old);
  await busy.client.query("BEGIN");
  world.requested = "once";
  await world.step();
  world.limits = { ...LIMITS, stuckSeconds: 0 };
  expect(await world.step()).toMatchObject({ stuck: true, waitingFor: expect.stringContaining("pg_stat_activity") });
  expect(busy.isOpen()).toBe(true);
  world.limits = { ...LIMITS, graceSeconds: 0 };
  await world.settle();
  expect([world.endedAtWork, busy.isOpen(), await isDead(old)]).toEqual([1, false, true]);
});

test("a pod that runs and has not reported is waited for, but not for ever", async () => {
  const world = await World.create();
  world.requested = "once";
  world.running = ["pod-1"];
  world.limits = { ...LIMITS, startSeconds: 3600 };
  expect(await world.step()).toMatchObject({ stuck: false, waitingFor: expect.stringContaining("pod-1") });
  const { credentialsRevision = "" } = (await world.database.find(world.request.uid)) ?? {};
  const pod = await reporting(world, credentialsRevision);
  await world.settle();
  await pod.gone();
  world.requested = "twice";
  world.running = ["pod-2"];
  await world.step();
  world.limits = LIMITS;
  await world.settle();
});

test("a request is met once, and a new one again", async () => {
  const world = await World.create();
  world.requested = "one";
  await world.settle();
  const { user } = world.connection;
  await world.settle();
  expect(world.connection.user).toBe(user);
  world.requested = "two";
  await world.settle();
  expect(world.connection.user).not.toBe(user);
});

test("a password that is older than its days is due", async () => {
  const world = await World.create();
  const old = world.connection;
  const age = (days: number) =>
    run(
      world.superuser(),
      "UPDATE agentpg_operator.tenant SET password_changed_at = now() - make_interval(days => $1)",
      [days],
    );
  await age(29);
  await world.settle();
  expect(world.connection).toEqual(old);
  await age(31);
  const { tenant } = await world.settle();
  expect(await isDead(old)).toBe(true);
  expect(Date.now() - (tenant.passwordChangedAt?.getTime() ?? 0)).toBeLessThan(60_000);
});

test("a password that the tenant changed is set back to the published one, also during a rotation", async () => {
  const world = await World.create();
  const load = await world.pod(20);
  const before = world.connection;
  await run(before, "ALTER ROLE CURRENT_USER PASSWORD 'stolen'");
  await world.step();
  expect(world.repairs).toEqual([expect.stringContaining(`password of ${before.user} back`)]);
  expect(world.connection).toEqual(before);
  expect([await isDead({ ...before, password: "stolen" }), await isDead(before)]).toEqual([true, false]);
  await load.stop();
  const pod = await reporting(world, (await world.database.find(world.request.uid))?.credentialsRevision ?? "");
  world.requested = "once";
  await world.step();
  await run(world.connection, "ALTER ROLE CURRENT_USER PASSWORD 'stolen'");
  await world.step();
  expect(world.repairs).toHaveLength(2);
  await pod.gone();
  await world.settle();
  expect(await isDead(world.connection)).toBe(false);
});

test("who believes the registry tries no login of a tenant at rest, and all of one in a rotation", async () => {
  const world = await World.create();
  const { connection } = world;
  await run(connection, "ALTER ROLE CURRENT_USER PASSWORD 'stolen'");
  world.believesRegistry = true;
  await world.step();
  expect(world.repairs).toEqual([]);
  // What the registry does not know is tried all the same.
  world.secret = { user: connection.user, password: "another" };
  await world.step();
  expect(await isDead({ ...connection, password: "stolen" })).toBe(true);
  expect(await isDead(world.connection)).toBe(false);

  const pod = await reporting(world, (await world.database.find(world.request.uid))?.credentialsRevision ?? "");
  world.requested = "once";
  await world.step();
  world.repairs = [];
  await run(world.connection, "ALTER ROLE CURRENT_USER PASSWORD 'stolen'");
  await world.step();
  expect(world.repairs).toHaveLength(1);
  await pod.gone();
});

test("an old password that is put back into the Secret is not made to work again", async () => {
  const world = await World.create();
  const first = world.connection;
  await world.rotate();
  await world.rotate();
  expect(world.connection.user).toBe(first.user);
  world.secret = { user: first.user, password: first.password };
  await world.settle();
  expect(await isDead(first)).toBe(true);
  expect(await isDead(world.connection)).toBe(false);
});

test("where a pooler refuses the new login, nothing is published and the tenant goes on", async () => {
  // Knows the login by another password, as a pooler with a list of its own does. In plain text: one CA cannot vouch for both.
  const pooler = await startPostgres({ tls: "offered" });
  const server = await startPostgres({ tls: "offered" });
  const world = await World.create(server);
  const old = world.connection;
  await run(pooler.adminSettings(), `CREATE ROLE ${world.schema}_b LOGIN PASSWORD 'another'`);
  const plain = await openDatabase({ ...world.admin, tls: "disable" }, { migrationsDir: "migrations" });
  world.agentPath = { host: pooler.host, port: pooler.port };
  world.requested = "once";
  const refused = await world.step(plain);
  expect(refused).toMatchObject({ credentials: undefined, stuck: true, tenant: { rotation: { step: "opening" } } });
  expect(refused.waitingFor).toContain("auth_query");
  expect(world.connection).toEqual(old);
  expect(await isDead(old)).toBe(false);
  await pooler.stop();
  // One that cannot be reached proves nothing.
  await world.settle(plain);
  expect(await isDead(old)).toBe(true);
  await Promise.all([plain.close(), world.database.close()]);
  await server.stop();
});

test("an old leader changes nothing", async () => {
  const world = await World.create();
  const successor = await openDatabase(world.admin, { migrationsDir: "migrations" });
  await successor.acquireEpoch("successor");
  world.requested = "once";
  const before = await world.database.find(world.request.uid);
  await expect(world.step()).rejects.toThrow(StaleEpoch);
  world.secret = undefined;
  await expect(world.step()).rejects.toThrow(StaleEpoch);
  expect(await world.database.find(world.request.uid)).toEqual(before);
});

test("the drift planner leaves both logins open during a rotation, and one afterwards", async () => {
  const world = await World.create();
  const pod = await reporting(world, (await world.database.find(world.request.uid))?.credentialsRevision ?? "");
  world.requested = "once";
  await world.step();
  expect((await world.database.ensure(world.request, world.epoch)).steps).toEqual([]);
  await pod.gone();
  await world.settle();
  expect((await world.database.ensure(world.request, world.epoch)).steps).toEqual([]);
  const open = await run(
    world.admin,
    "SELECT rolcanlogin AS it FROM pg_roles WHERE rolname = ANY($1) ORDER BY rolname",
    [[`${world.schema}_a`, `${world.schema}_b`]],
  );
  expect(open).toEqual([{ it: false }, { it: true }]);
});

test("a pod has moved only when no call of it waits for a connection of the old login", async () => {
  const world = await World.create();
  const door = createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
  const waiting: Socket[] = [];
  door.on("connection", (socket) => void waiting.push(socket));
  const { port } = door.address() as AddressInfo;
  const limits = { max: 2, min: 0, idleMs: 1000, lifetimeSeconds: 60 };
  const db = new AgentDatabase(schemaName(world.schema), { ...world.connection, port }, "test", limits, () => {});
  const late = db.query<{ n: number }>("late", "SELECT 1 AS n");
  await eventually(
    () => waiting.length,
    (n) => n === 1,
  );
  let moved = false;
  const moving = db.rotate(world.connection).then(() => (moved = true));
  await eventually(
    () => db.settings.port,
    (now) => now === world.connection.port,
  );
  await db.query("new", "SELECT 1");
  expect(moved).toBe(false);
  for (const socket of waiting) {
    const through = connect(world.connection.port, world.connection.host);
    for (const end of [socket, through]) end.on("error", () => {});
    socket.pipe(through).pipe(socket);
  }
  expect(await late).toEqual([{ n: 1 }]);
  await moving;
  await db.close();
  door.close();
});
