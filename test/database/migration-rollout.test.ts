import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DatabaseNewerThanProgram, MigrationFailed, StaleEpoch } from "../../src/database/errors.ts";
import type { TenantDatabase } from "../../src/database/tenants.ts";
import { MigrationCoordinator } from "../../src/operator/migrations/coordinator.ts";
import { MigrationMetrics } from "../../src/operator/migrations/metrics.ts";
import type { RolloutLimits } from "../../src/operator/migrations/rollout.ts";
import { summarise } from "../../src/operator/migrations/summary.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { eventually } from "../support/eventually.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import {
  aLeader,
  aTenant,
  closeDatabases,
  held,
  MIGRATIONS,
  migrationFolder,
  openDatabase,
  provisioned,
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

/** Refused by a tenant whose `things` have a bad note. */
const NEXT = {
  ...MIGRATIONS,
  "0002_rule.sql": `CREATE TABLE more (id integer);
    ALTER TABLE things ADD CONSTRAINT no_bad CHECK (note IS DISTINCT FROM 'bad');`,
};
type Provisioned = Awaited<ReturnType<typeof provisioned>>;

/** Tenants at version 1, in the order of their age, and a program that knows version 2. */
async function aRollout(count: number, limits: Partial<RolloutLimits> = {}) {
  const old = await aLeader(postgres);
  const tenants: Provisioned[] = [];
  for (let n = 0; n < count; n++)
    tenants.push(await provisioned(old, aTenant({ name: `tenant-${n}-${crypto.randomUUID()}` })));
  const next = await openDatabase(old.admin, { migrationsDir: await migrationFolder(NEXT) });
  return { old, tenants, next, ...(await aProgram(next, tenants, limits)) };
}

/** A process that leads: a coordinator with what it woke, and a clock that a test can turn. */
async function aProgram(database: TenantDatabase, tenants: Provisioned[], limits: Partial<RolloutLimits> = {}) {
  const epoch = await database.acquireEpoch("next");
  const woken: string[] = [];
  const clock = { ms: 0 };
  const registry = new Registry();
  const coordinator = new MigrationCoordinator({
    limits: { canaries: 1, concurrency: 8, failureBudget: "5%", ...limits },
    tenants: () => tenants.map(({ request: { uid, name } }, createdAt) => ({ uid, name, createdAt, canary: false })),
    wake: (name) => void woken.push(name),
    logger: silentLogger,
    metrics: new MigrationMetrics(registry).of("default"),
    now: () => clock.ms,
  });
  /** Reconciles a tenant; what its condition would say. */
  const reconcile = async ({ request }: Provisioned) => {
    const { ensured, refusal } = await coordinator.ensure(database, epoch, request);
    return { reason: refusal?.reason ?? "Current", version: ensured.migrations.to, ...refusal };
  };
  const summary = async () => summarise(await coordinator.picture(database));
  return { epoch, coordinator, woken, clock, registry, reconcile, summary };
}

const poison = ({ connection }: Provisioned) => run(connection, "INSERT INTO things VALUES (1, 'bad')");
const at = <T>(list: T[], index: number): T => list[index] as T;

test("until the canary is current the others wait at their old version, and then they are woken", async () => {
  const { tenants, reconcile, woken } = await aRollout(3);
  expect(await reconcile(at(tenants, 1))).toMatchObject({ reason: "WaitingForCanary", version: 1 });
  expect(await run(at(tenants, 1).connection, "SELECT count(*)::int AS n FROM things")).toEqual([{ n: 0 }]);
  expect(woken).toEqual([]);
  expect(await reconcile(at(tenants, 0))).toMatchObject({ reason: "Current", version: 2 });
  expect(woken).toEqual([at(tenants, 1).request.name]);
  expect(await reconcile(at(tenants, 1))).toMatchObject({ reason: "Current", version: 2 });
});

test("a tenant that comes during a rollout gets all migrations at once", async () => {
  const { tenants, next, epoch, coordinator, summary } = await aRollout(2);
  const { ensured } = await coordinator.ensure(next, epoch, aTenant());
  expect(ensured.migrations.to).toBe(2);
  expect((await summary()).tenants).toMatchObject({ waiting: tenants.length });
});

test("a poisoned tenant stays as it was and is reported, the others go on, and it follows once it is mended", async () => {
  const { tenants, reconcile, clock, summary, registry } = await aRollout(4);
  await poison(at(tenants, 2));
  await reconcile(at(tenants, 0));
  const failed = await reconcile(at(tenants, 2));
  expect(failed).toMatchObject({ reason: "MigrationFailed", version: 1, retryAfterMs: 60_000 });
  expect(failed.message).toContain("no_bad");
  expect(await reconcile(at(tenants, 3))).toMatchObject({ reason: "Current", version: 2 });
  expect(await reconcile(at(tenants, 2))).toMatchObject({ reason: "MigrationFailed", version: 1 });
  expect(await summary()).toMatchObject({ phase: "running", tenants: { current: 2, waiting: 1, failed: 1 } });
  expect(await registry.metrics()).toContain('agentpg_tenant_migrations{server="default",state="failed"} 1');
  await run(at(tenants, 2).connection, "UPDATE things SET note = 'good'");
  clock.ms = 60_000;
  expect(await reconcile(at(tenants, 2))).toMatchObject({ reason: "Current", version: 2 });
  expect((await summary()).failures).toEqual([]);
});

test("a tenant whose table somebody holds is left alone soon, its queries with it, and follows when the lock is gone", async () => {
  const { tenants, reconcile, clock } = await aRollout(3);
  await reconcile(at(tenants, 0));
  const victim = at(tenants, 1);
  const holder = await held(victim.connection);
  await holder.client.query("BEGIN; SELECT FROM things");
  const migrating = reconcile(victim);
  const started = performance.now();
  const queries: number[] = [];
  const over = new AbortController();
  void migrating.finally(() => over.abort());
  while (!over.signal.aborted) {
    const began = performance.now();
    await run(victim.connection, "SELECT count(*) FROM things");
    queries.push(performance.now() - began);
  }
  expect(await migrating).toMatchObject({ reason: "MigrationBlocked", version: 1, retryAfterMs: 2_000 });
  expect(performance.now() - started).toBeLessThan(8_000);
  expect(Math.max(...queries)).toBeLessThan(4_000);
  expect(await reconcile(at(tenants, 2))).toMatchObject({ reason: "Current" });
  await holder.close();
  clock.ms = 2_000;
  expect(await reconcile(victim)).toMatchObject({ reason: "Current", version: 2 });
});

test("more failures than the budget pause the rollout, and after a resume everything is tried again", async () => {
  const { tenants, reconcile, coordinator, next, epoch, woken, summary } = await aRollout(5, { failureBudget: 1 });
  await reconcile(at(tenants, 0));
  for (const n of [1, 2]) await poison(at(tenants, n));
  await reconcile(at(tenants, 1));
  expect((await summary()).phase).toBe("running");
  await reconcile(at(tenants, 2));
  expect(await summary()).toMatchObject({ phase: "paused", reason: "FailureBudgetSpent" });
  const paused = await reconcile(at(tenants, 3));
  expect(paused).toMatchObject({ reason: "RolloutPaused", version: 1 });
  expect(paused.message).toContain("agentpg migrate resume");
  for (const n of [1, 2]) await run(at(tenants, n).connection, "UPDATE things SET note = 'good'");
  await coordinator.resume(next, epoch);
  expect(woken.toSorted()).toEqual([1, 2, 3].map((n) => at(tenants, n).request.name));
  for (const tenant of tenants) expect(await reconcile(tenant)).toMatchObject({ reason: "Current" });
  expect((await summary()).phase).toBe("complete");
});

test("a canary that fails pauses the rollout before anybody else is touched", async () => {
  const { tenants, reconcile } = await aRollout(3);
  await poison(at(tenants, 0));
  expect(await reconcile(at(tenants, 0))).toMatchObject({ reason: "MigrationFailed" });
  expect(await reconcile(at(tenants, 1))).toMatchObject({ reason: "RolloutPaused", version: 1 });
});

test("a new leader goes on where the last one was, and the last one cannot write any more", async () => {
  const { tenants, next, epoch, reconcile, coordinator } = await aRollout(4);
  await poison(at(tenants, 1));
  await reconcile(at(tenants, 0));
  await reconcile(at(tenants, 1));
  await coordinator.pause(next, epoch);
  const successor = await aProgram(next, tenants);
  expect(await successor.summary()).toMatchObject({
    phase: "paused",
    reason: "PausedByHand",
    tenants: { current: 1, failed: 1 },
  });
  expect(await successor.reconcile(at(tenants, 2))).toMatchObject({ reason: "RolloutPaused" });
  expect(await successor.reconcile(at(tenants, 1))).toMatchObject({ reason: "MigrationFailed" });
  await expect(coordinator.resume(next, epoch)).rejects.toThrow(StaleEpoch);
});

test("no more tenants than the limit are migrated at once, and each that is done wakes the next", async () => {
  const { tenants, reconcile, woken } = await aRollout(3, { canaries: 0, concurrency: 1 });
  const holder = await held(at(tenants, 0).connection);
  await holder.client.query("BEGIN; SELECT FROM things");
  const first = reconcile(at(tenants, 0));
  const seen = await Promise.race([first.then(() => "done"), untilWaiting()]);
  expect(seen).toBe("waiting");
  expect(await reconcile(at(tenants, 1))).toMatchObject({ reason: "WaitingForTurn", version: 1 });
  await holder.close();
  await first;
  expect(woken).toEqual([at(tenants, 1).request.name]);
});

/** Settles when a migration waits for a lock. */
const untilWaiting = async (): Promise<"waiting"> => {
  const waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%no_bad%'";
  await eventually(
    () => run(postgres.adminSettings(), waiting),
    (rows) => rows.length > 0,
    10,
    20,
  );
  return "waiting";
};

test("a connection that breaks is nobody's failure", async () => {
  const { tenants, reconcile, summary, old } = await aRollout(2);
  const holder = await held(at(tenants, 0).connection);
  await holder.client.query("BEGIN; SELECT FROM things");
  const broken = reconcile(at(tenants, 0)).catch((error: unknown) => error);
  await untilWaiting();
  await run(
    postgres.adminSettings(old.admin.database),
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'agentpg-operator' AND datname = current_database()",
  );
  expect(await broken).toMatchObject({ reason: "DatabaseUnreachable" });
  await holder.close();
  expect((await summary()).failures).toEqual([]);
  expect(await reconcile(at(tenants, 0))).toMatchObject({ reason: "Current" });
});

test("a schema that is newer than the program is refused and costs no failure budget", async () => {
  const { tenants, old, next, epoch } = await aRollout(2, { failureBudget: 0 });
  await next.ensure(at(tenants, 0).request, epoch);
  const back = await aProgram(old.database, tenants, { failureBudget: 0 });
  await expect(back.reconcile(at(tenants, 0))).rejects.toThrow(DatabaseNewerThanProgram);
  expect(await back.reconcile(at(tenants, 1))).toMatchObject({ reason: "Current", version: 1 });
  expect(await back.summary()).toMatchObject({ phase: "complete", failures: [] });
});

test("a dry run tells what each tenant would meet, and keeps nothing", async () => {
  const { tenants, next, epoch, reconcile } = await aRollout(2);
  await poison(at(tenants, 1));
  const uid = (n: number) => at(tenants, n).request.uid;
  const trial = await next.migrations.dryRun(uid(0), epoch);
  expect(trial).toMatchObject({ from: 1, to: 2 });
  expect(trial.durationMs).toBeGreaterThan(0);
  await expect(next.migrations.dryRun(uid(1), epoch)).rejects.toThrow(MigrationFailed);
  for (const { connection } of tenants) {
    expect(await run(connection, "SELECT to_regclass('more') AS more")).toEqual([{ more: null }]);
    expect(await run(connection, "SELECT max(version) AS version FROM schema_version")).toEqual([{ version: 1 }]);
  }
  expect(await reconcile(at(tenants, 0))).toMatchObject({ reason: "Current", version: 2 });
  expect(await next.migrations.dryRun(uid(0), epoch)).toMatchObject({ from: 2, to: 2 });
});

test("a tenant with a database of its own is tried out and migrated there", async () => {
  const own = aTenant({ isolation: "database" });
  const old = await aLeader(postgres);
  await old.database.ensure(own, old.epoch);
  const next = await openDatabase(old.admin, { migrationsDir: await migrationFolder(NEXT) });
  expect(await next.migrations.dryRun(own.uid, old.epoch)).toMatchObject({ from: 1, to: 2 });
  expect((await next.ensure(own, old.epoch, () => false)).migrations).toMatchObject({ to: 1, pending: 1 });
  expect((await next.ensure(own, old.epoch)).migrations).toMatchObject({ from: 1, to: 2 });
  expect((await next.migrations.versions()).get(own.uid)).toBe(2);
});
