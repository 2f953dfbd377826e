import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import { RetainedByEarlierTenant, StaleEpoch } from "../../src/database/errors.ts";
import { revisionOf } from "../../src/database/rotation/revision.ts";
import type { TenantDatabase, TenantRequest } from "../../src/database/tenants.ts";
import { type Backup, backUp } from "../support/backup.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import {
  aLeader,
  aTenant,
  closeDatabases,
  codeOfFailure,
  migrationFolder,
  openDatabase,
  provisioned,
  run,
} from "./fixture.ts";

/*
 * One real restore: tenants are made, the data directory is copied, life goes on, and the copy is put back. Each test looks at
 * what the operator that comes after makes of it.
 */
let postgres: TestPostgres;
let backup: Backup | undefined;
let before: { admin: ConnectionSettings; database: TenantDatabase; epoch: number };
/** Led after the backup and was never told to stop. */
let meanwhile: { database: TenantDatabase; epochs: number[] };
let after: { database: TenantDatabase; epoch: number };
type Made = Awaited<ReturnType<typeof provisioned>>;
let rotated: Made;
let moved: Made;
let migrated: Made;
let deleted: Made;
let late: Made;
/** What the Secrets hold: published after the backup. */
const published = new Map<string, { user: string; password: string }>();

const CONVERSATIONS = { "0001_conversations.sql": readFileSync("migrations/0001_conversations.sql", "utf8") };
const NEWER = { ...CONVERSATIONS, "0002_more.sql": "CREATE TABLE more (id integer PRIMARY KEY)" };
const COUNT = "SELECT count(*)::int AS n FROM sessions";
const LIMITS = { stuckSeconds: 0, graceSeconds: 0, quietSeconds: 0, startSeconds: 0 };

/** Goes on with the tenant's login until there is no more to do; what its Secret holds then. */
async function settle({ database, epoch }: typeof after, { uid }: TenantRequest, requested?: string) {
  for (let round = 0; round < 6; round++) {
    const tenant = await database.find(uid);
    if (!tenant) throw new Error("the tenant has no claim");
    const wish = { requested, maxAgeDays: 30 };
    const runningPods = async () => [];
    const result = await database.ensureCredentials(
      { tenant, published: published.get(uid), wish, limits: LIMITS, runningPods, agentPath: undefined },
      epoch,
    );
    if (result.credentials) published.set(uid, result.credentials);
    if (!result.again && !result.tenant.rotation) return published.get(uid) as { user: string; password: string };
  }
  throw new Error("the login does not settle");
}

beforeAll(async () => {
  postgres = await startPostgres();
  before = await aLeader(postgres, { migrationsDir: await migrationFolder(CONVERSATIONS) });
  [rotated, moved, migrated, deleted] = [
    await provisioned(before),
    await provisioned(before),
    await provisioned(before),
    await provisioned(before),
  ];
  for (const it of [rotated, moved]) {
    published.set(it.request.uid, it.connection);
    await settle(before, it.request);
  }
  backup = await backUp(postgres);

  const migrationsDir = await migrationFolder(NEWER);
  const database = await openDatabase(before.admin, { migrationsDir });
  meanwhile = { database, epochs: [await database.acquireEpoch("one"), await database.acquireEpoch("two")] };
  const leader = { database, epoch: meanwhile.epochs[1] ?? 0 };
  late = await provisioned(leader);
  await database.ensure(migrated.request, leader.epoch);
  await database.deprovision(deleted.request, "Retain", leader.epoch);
  await settle(leader, moved.request, "once"); // the other login
  await settle(leader, rotated.request, "once");
  await settle(leader, rotated.request, "twice"); // the same login, another password

  await backup.restore();
  const successor = await openDatabase(before.admin, { migrationsDir });
  after = { database: successor, epoch: await successor.acquireEpoch("after") };
}, 120_000);
afterAll(async () => {
  await closeDatabases();
  await backup?.discard();
  await postgres?.stop();
});

test("an epoch that was given out before the restore is not given out again", () => {
  expect([before.epoch, ...meanwhile.epochs]).not.toContain(after.epoch);
  expect(after.epoch).toBeGreaterThan(Math.max(before.epoch, ...meanwhile.epochs));
});

test("a leader from before the restore is refused, and told why", async () => {
  const fresh = aTenant();
  for (const epoch of [before.epoch, ...meanwhile.epochs])
    await expect(meanwhile.database.ensure(fresh, epoch)).rejects.toThrow(StaleEpoch);
  expect(await after.database.find(fresh.uid)).toBeUndefined();
});

test("before anybody leads again, the old leader is told that the database was restored", async () => {
  const [row] = await run<{ epoch: string }>(before.admin, "SELECT epoch FROM agentpg_operator.leader");
  await run(before.admin, "UPDATE agentpg_operator.leader SET epoch = $1", [before.epoch]);
  await expect(meanwhile.database.ensure(aTenant(), meanwhile.epochs[1] ?? 0)).rejects.toThrow(
    /not in this database.*restored from an older backup/,
  );
  await run(before.admin, "UPDATE agentpg_operator.leader SET epoch = $1", [row?.epoch]);
});

test("a Tenant that the registry lacks gets a schema of its own, and nobody else's", async () => {
  const made = await after.database.ensure(late.request, after.epoch);
  expect(made.created).toBe(true);
  const others = [rotated, moved, migrated, deleted].map((it) => it.names.schema);
  expect([...others, late.names.schema]).not.toContain(made.id);
  expect(await codeOfFailure(run(late.connection, "SELECT 1"))).toBe("28P01"); // the login went with the backup
});

test.each([
  ["another login than the registry has", () => moved],
  ["a newer password than the registry has", () => rotated],
])("a Secret with %s gets one that lets its pods in, and is never left with a wrong one", async (_what, which) => {
  const { request, connection } = which();
  const stale = published.get(request.uid);
  await after.database.ensure(request, after.epoch);
  const now = await settle(after, request);
  expect(now).not.toEqual(stale);
  expect(await run({ ...connection, ...now }, COUNT)).toEqual([{ n: 0 }]);
  const record = await after.database.find(request.uid);
  expect(record?.credentialsRevision).toBe(revisionOf(record?.activeLogin ?? "a", now.password));
  // What was published before the backup is closed too: only the new one lets anybody in.
  expect(await codeOfFailure(run(connection, "SELECT 1"))).not.toBe("no error");
});

test("a schema that is back at an older migration is migrated again", async () => {
  const { migrations, created } = await after.database.ensure(migrated.request, after.epoch);
  expect(created).toBe(false);
  expect(migrations).toMatchObject({ from: 1, to: 2 });
});

test("a Tenant that was deleted meanwhile is known again, is not adopted by its name, and its login can be closed", async () => {
  const { request, connection } = deleted;
  expect((await after.database.openClaims()).map((it) => it.uid)).toContain(request.uid);
  const namesake = { ...aTenant(), name: request.name };
  await expect(after.database.ensure(namesake, after.epoch)).rejects.toThrow(RetainedByEarlierTenant);
  expect(await run(connection, COUNT)).toEqual([{ n: 0 }]);
  await after.database.deprovision(request, "Retain", after.epoch);
  expect((await after.database.openClaims()).map((it) => it.uid)).not.toContain(request.uid);
  expect(await codeOfFailure(run(connection, "SELECT 1"))).not.toBe("no error");
});
