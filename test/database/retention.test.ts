import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { AuditChainBroken, SchemaNotMigrated, StaleEpoch } from "../../src/database/errors.ts";
import { applySteps } from "../../src/database/runs/apply-steps.ts";
import { createSessions } from "../../src/database/runs/sessions.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { breakingPool, closeDatabases, held, migrationFolder, openDatabase, withClient } from "./fixture.ts";
import {
  accept,
  aConversation,
  AGENT,
  archive,
  aStep,
  aTenantWithTables,
  auditFaults,
  auditOf,
  auditRecords,
  daysAgo,
  idAt,
  recordsOf,
  rowsOf,
  type TestTenant,
} from "./lifecycle-fixture.ts";

const POLICY = { sessionDays: 90, archiveDays: 30, auditDays: 365 };
const never = new AbortController().signal;

let postgres: TestPostgres;
const tenants: TestTenant[] = [];
beforeAll(async () => {
  postgres = await startPostgres();
});
afterEach(async () => {
  for (const it of tenants.splice(0)) await it.db.close();
});
afterAll(async () => {
  await closeDatabases();
  await postgres?.stop();
});

async function aTenant(): Promise<TestTenant> {
  const tenant = await aTenantWithTables(postgres);
  tenants.push(tenant);
  return tenant;
}

const retain = async (tenant: TestTenant, policy = POLICY, database = tenant.database) =>
  (await database.lifecycle.applyRetention({ uid: tenant.uid }, policy, tenant.epoch, never)).removed;

/** A session that is as old as `days`, without any run. */
async function anEmptySession(tenant: TestTenant, days: number): Promise<string> {
  const id = idAt(daysAgo(days));
  await createSessions(tenant.db, AGENT, [{ id, userId: "ann", metadata: {} }]);
  await tenant.sql("UPDATE sessions SET created_at = $2 WHERE id = $1", [id, daysAgo(days)]);
  return id;
}

describe("sessions", () => {
  test("idle ones go with all that hangs on them; those in use, however old, stay whole", async () => {
    const tenant = await aTenant();
    const idle = await aConversation(tenant, { at: daysAgo(91) });
    await archive(tenant, idle, 9, new Date());
    const unused = await anEmptySession(tenant, 100);
    const young = await aConversation(tenant, { at: daysAgo(89) });
    const asked = await aConversation(tenant, { at: daysAgo(400) });
    await accept(tenant, asked.session);
    const finishedLate = await aConversation(tenant, { at: daysAgo(200) });
    await tenant.sql("UPDATE runs SET finished_at = now() WHERE id = $1", [finishedLate.run]);
    const open = await aConversation(tenant, { at: daysAgo(200) });
    await tenant.sql("UPDATE runs SET state = 'pending', finished_at = NULL WHERE id = $1", [open.run]);

    const removed = await retain(tenant);
    expect(removed).toEqual({
      sessions: 2,
      runs: 1,
      messages: 2,
      toolExecutions: 1,
      archivedMessages: 1,
      auditRows: 0,
    });
    expect(await rowsOf(tenant, [idle.session, unused])).toEqual({
      sessions: 0,
      runs: 0,
      messages: 0,
      archived: 0,
      orphans: 0,
    });
    const kept = [young, asked, finishedLate, open].map((it) => it.session);
    expect(await rowsOf(tenant, kept)).toMatchObject({ sessions: 4, runs: 5, messages: 9 });
  });

  test("one that another agent was asked in stays while the run that asked goes on", async () => {
    const tenant = await aTenant();
    const parent = await aConversation(tenant, { at: daysAgo(200) });
    const child = await aConversation(tenant, { at: daysAgo(200) });
    await tenant.sql("UPDATE sessions SET parent_run = $2 WHERE id = $1", [child.session, parent.run]);
    await tenant.sql("UPDATE runs SET state = 'awaiting_agent', finished_at = NULL WHERE id = $1", [parent.run]);
    expect((await retain(tenant)).sessions).toBe(0);
    await tenant.sql("UPDATE runs SET state = 'completed', finished_at = created_at WHERE id = $1", [parent.run]);
    expect((await retain(tenant)).sessions).toBe(2);
  });

  test("many go, over several looks and batches", async () => {
    const tenant = await aTenant();
    await tenant.sql(
      `INSERT INTO sessions (id, agent, user_id, created_at)
       SELECT ('01800000-' || lpad(to_hex(n), 4, '0') || '-7000-8000-000000000000')::uuid, 'support', 'ann', now() - interval '300 days'
         FROM generate_series(1, 2300) n`,
    );
    expect((await retain(tenant)).sessions).toBe(2300);
  });
});

describe("a run that comes in the moment of deletion", () => {
  test("and is first keeps its session", async () => {
    const tenant = await aTenant();
    const { session } = await aConversation(tenant, { at: daysAgo(91) });
    const pod = await held(tenant.connection);
    try {
      await pod.client.query("BEGIN");
      await pod.client.query(
        "INSERT INTO runs (id, session_id, agent, state, model, prompt) VALUES ($1, $2, 'support', 'pending', 'claude', 'q')",
        [randomUUID(), session],
      );
      expect((await retain(tenant)).sessions).toBe(0); // it does not wait for the run either
      await pod.client.query("COMMIT");
    } finally {
      await pod.close();
    }
    expect((await retain(tenant)).sessions).toBe(0);
    expect(await rowsOf(tenant, [session])).toMatchObject({ sessions: 1, runs: 2 });
  });

  test("and is second is told that there is no such session", async () => {
    const tenant = await aTenant();
    const { session } = await aConversation(tenant, { at: daysAgo(91) });
    const deleter = await held({ ...postgres.adminSettings(tenant.admin.database) });
    try {
      await deleter.client.query(`SET search_path = ${tenant.names.schema}`);
      await deleter.client.query("BEGIN");
      await deleter.client.query("SELECT FROM sessions WHERE id = $1 FOR UPDATE", [session]);
      const late = accept(tenant, session);
      for (let waits = 0; waits === 0; await sleep(5)) {
        const [row] = await tenant.sql<{ n: number }>(
          "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = $1",
          [tenant.connection.user],
        );
        waits = row?.n ?? 0;
      }
      await deleter.client.query("DELETE FROM messages WHERE session_id = $1", [session]);
      await deleter.client.query("DELETE FROM runs WHERE session_id = $1", [session]);
      await deleter.client.query("DELETE FROM sessions WHERE id = $1", [session]);
      await deleter.client.query("COMMIT");
      expect(await late).toEqual({ outcome: "no_session", exists: false });
    } finally {
      await deleter.close();
    }
    expect(await rowsOf(tenant, [session])).toMatchObject({ sessions: 0, runs: 0, messages: 0 });
  });

  test("is never accepted into a session that is gone, whoever is first", async () => {
    const tenant = await aTenant();
    const old: string[] = [];
    for (let i = 0; i < 120; i++) old.push(await anEmptySession(tenant, 100 + i));
    const asking = (async () => {
      const outcomes: { session: string; accepted: boolean }[] = [];
      const order = old.toSorted(() => Math.random() - 0.5);
      for (let i = 0; i < order.length; i += 6)
        outcomes.push(
          ...(await Promise.all(
            order
              .slice(i, i + 6)
              .map(async (session) => ({ session, accepted: (await accept(tenant, session)).outcome === "started" })),
          )),
        );
      return outcomes;
    })();
    const removed = await retain(tenant);
    const outcomes = await asking;
    const accepted = outcomes.filter((it) => it.accepted).map((it) => it.session);
    const refused = outcomes.filter((it) => !it.accepted).map((it) => it.session);
    expect(await rowsOf(tenant, accepted)).toMatchObject({
      sessions: accepted.length,
      runs: accepted.length,
      messages: accepted.length,
    });
    expect(await rowsOf(tenant, refused)).toMatchObject({ sessions: 0, runs: 0, messages: 0 });
    expect(removed.sessions).toBe(refused.length);
    expect(accepted.length).toBeGreaterThan(0);
    expect(refused.length).toBeGreaterThan(0);
  });
});

test("what compaction put aside goes by the day it was put aside", async () => {
  const tenant = await aTenant();
  const asked = await aConversation(tenant);
  await archive(tenant, asked, 10, daysAgo(31));
  await archive(tenant, asked, 11, daysAgo(29));
  expect((await retain(tenant)).archivedMessages).toBe(1);
  expect(await tenant.sql("SELECT seq FROM message_archive")).toEqual([{ seq: 11 }]);
});

describe("the audit log", () => {
  /** Rows of so many days ago each, in this order. */
  async function aLog(tenant: TestTenant, days: number[]): Promise<void> {
    const { session, run } = await aConversation(tenant, { at: daysAgo(500) });
    await tenant.sql("UPDATE runs SET state = 'running', finished_at = NULL, fence = 1, step = 2 WHERE id = $1", [run]);
    const audit = days.map((it) => auditOf("ann", session, "tool.called", daysAgo(it)));
    await applySteps(tenant.db, [aStep(run, { step: 3, audit, messages: [] })]);
  }

  test("loses its old rows from the front only, and its chain can still be verified", async () => {
    const tenant = await aTenant();
    await aLog(tenant, [400, 380, 100, 390, 10]);
    expect((await retain(tenant)).auditRows).toBe(4); // 390 stands behind 100: it goes when that goes
    expect(await auditFaults(tenant)).toEqual([]);
    expect((await auditRecords(tenant)).map((it) => it.seq)).toEqual([5, 6, 7, 8]);
    expect((await retain(tenant, { ...POLICY, auditDays: 1 })).auditRows).toBe(3);
    expect((await retain(tenant, { ...POLICY, auditDays: 1 })).auditRows).toBe(0);
    expect(await auditFaults(tenant)).toEqual([]);
  });

  test.each([
    ["changed", "UPDATE audit SET record = replace(record, 'ann', 'bob') WHERE seq = 2"],
    ["deleted", "DELETE FROM audit WHERE seq = 2"],
    ["cut off at its beginning", "DELETE FROM audit WHERE seq = 1"],
  ])("that was %s is left as it is, and all else goes on", async (_how, tampering) => {
    const tenant = await aTenant();
    await aLog(tenant, [400, 400]);
    const idle = await aConversation(tenant, { at: daysAgo(91) });
    await tenant.sql(tampering);
    const before = await auditRecords(tenant);
    expect(await auditFaults(tenant)).not.toEqual([]);
    await expect(retain(tenant)).rejects.toThrow(AuditChainBroken);
    expect((await auditRecords(tenant)).slice(0, before.length)).toEqual(before);
    expect(await rowsOf(tenant, [idle.session])).toMatchObject({ sessions: 0 });
    expect(await recordsOf(tenant, "retention.applied")).toMatchObject([{ removed: { sessions: 1, auditRows: 0 } }]);
    expect(await tenant.database.lifecycle.retentionRuns()).toEqual([]);
  });

  test("whose end was cut off, or whose head was moved, is found", async () => {
    const tenant = await aTenant();
    await aLog(tenant, [3, 2, 1]);
    await tenant.sql("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)");
    expect(await auditFaults(tenant)).toMatchObject([{ fault: "truncated" }]);
  });

  test("says what was removed and up to when, once, and nothing when there was nothing", async () => {
    const tenant = await aTenant();
    await aConversation(tenant, { at: daysAgo(91) });
    const removed = await retain(tenant);
    await retain(tenant);
    const told = await recordsOf(tenant, "retention.applied");
    expect(told).toMatchObject([{ by: "agentpg-operator", policy: POLICY, removed }]);
    expect(Date.parse((told[0]?.["cutOff"] as { sessions: string } | undefined)?.sessions ?? "")).toBeLessThan(
      daysAgo(89.9).getTime(),
    );
    expect(await auditFaults(tenant)).toEqual([]);
  });

  test("cannot be shortened, nor its beginning moved, by the tenant's own login", async () => {
    const tenant = await aTenant();
    for (const statement of [
      "DELETE FROM audit",
      "UPDATE audit SET record = ''",
      "UPDATE lifecycle SET audit_start_seq = 5",
      "DELETE FROM message_archive",
    ])
      await expect(withClient(tenant.connection, (client) => client.query(statement))).rejects.toThrow(
        /permission denied/,
      );
  });
});

test("wherever the operator is killed, the next run finishes, and every row is told of exactly once", async () => {
  const policy = { ...POLICY, auditDays: 300 };
  const seed = async (tenant: TestTenant) => {
    for (const days of [310, 91, 92])
      await archive(tenant, await aConversation(tenant, { at: daysAgo(days) }), 9, daysAgo(40));
  };
  const dry = await aTenant();
  await seed(dry);
  const expected = await retain(dry, policy);
  expect(expected).toMatchObject({ sessions: 3, archivedMessages: 3, auditRows: 2 });

  let statements = Number.POSITIVE_INFINITY;
  for (let at = 1; at <= statements; at += 5) {
    const tenant = await aTenant();
    await seed(tenant);
    const { openPool, count } = breakingPool({ at });
    const dying = await openDatabase(tenant.admin, { migrationsDir: "migrations", openPool });
    const outcome = await retain(tenant, policy, dying).then(
      () => "done",
      () => "died",
    );
    if (outcome === "done") statements = count();
    await retain(tenant, policy);
    const told = await recordsOf(tenant, "retention.applied");
    const sum = (kind: string) => told.reduce((n, it) => n + ((it["removed"] as Record<string, number>)[kind] ?? 0), 0);
    expect(Object.fromEntries(Object.keys(expected).map((kind) => [kind, sum(kind)])), `killed at ${at}`).toEqual(
      expected,
    );
    expect(await auditFaults(tenant), `killed at ${at}`).toEqual([]);
    await tenant.db.close();
  }
}, 240_000);

test("an old leader removes nothing", async () => {
  const tenant = await aTenant();
  const idle = await aConversation(tenant, { at: daysAgo(91) });
  await tenant.database.acquireEpoch("a newer leader");
  await expect(retain(tenant)).rejects.toThrow(StaleEpoch);
  expect(await rowsOf(tenant, [idle.session])).toMatchObject({ sessions: 1 });
});

test("a schema that a rollout holds back is left alone, with the reason", async () => {
  const { readFile } = await import("node:fs/promises");
  const first = { "0001_conversations.sql": await readFile("migrations/0001_conversations.sql", "utf8") };
  const tenant = await aTenantWithTables(postgres, { migrationsDir: await migrationFolder(first) });
  tenants.push(tenant);
  await expect(retain(tenant)).rejects.toThrow(SchemaNotMigrated);
});

test("the last run of each tenant is kept in the registry", async () => {
  const tenant = await aTenant();
  await aConversation(tenant, { at: daysAgo(91) });
  await retain(tenant);
  const [run] = await tenant.database.lifecycle.retentionRuns();
  expect(run).toMatchObject({ uid: tenant.uid, removed: { sessions: 1, runs: 1 } });
  expect(Date.now() - (run?.at.getTime() ?? 0)).toBeLessThan(60_000);
});

test("runs that are asked meanwhile take as long as before, and none waits for a lock of the operator", async () => {
  const tenant = await aTenant();
  await tenant.sql(
    `INSERT INTO sessions (id, agent, user_id, created_at)
     SELECT ('01800000-' || lpad(to_hex(n), 4, '0') || '-7000-8000-000000000000')::uuid, 'support', 'ann', now() - interval '300 days'
       FROM generate_series(1, 3000) n`,
  );
  await tenant.sql(
    `INSERT INTO runs (id, session_id, agent, state, model, prompt, created_at, finished_at)
     SELECT gen_random_uuid(), id, 'support', 'completed', 'claude', 'q', created_at, created_at FROM sessions, generate_series(1, 3)`,
  );
  await tenant.sql("UPDATE runs SET id = overlay(id::text placing '01800000-0000-7' from 1 for 15)::uuid");
  await tenant.sql(
    `INSERT INTO messages (session_id, seq, run_id, role, content)
     SELECT id, n, gen_random_uuid(), 'user', to_jsonb(repeat('word ', 100)) FROM sessions, generate_series(1, 6) n`,
  );
  const active = await Promise.all(Array.from({ length: 4 }, async () => (await aConversation(tenant)).session));
  const stop = new AbortController();
  const times: number[] = [];
  const ask = async (session: string) => {
    while (!stop.signal.aborted) {
      const run = idAt(new Date());
      const began = performance.now();
      const accepted = await accept(tenant, session, { run });
      if (accepted.outcome !== "started") throw new Error(`not started: ${accepted.outcome}`);
      const messages = [{ role: "assistant" as const, content: [], seq: accepted.lastSeq + 1 }];
      await applySteps(tenant.db, [aStep(run, { messages, audit: [auditOf("ann", session)] })]);
      times.push(performance.now() - began);
    }
  };
  const p99 = () => times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
  const work = Promise.all(active.map(ask));
  await sleep(1500);
  const before = { p99: p99(), runs: times.length };
  times.length = 0;
  const watch = await held(postgres.adminSettings(tenant.admin.database));
  let blocked = 0;
  let samples = 0;
  const watching = (async () => {
    while (!stop.signal.aborted) {
      const { rows } = await watch.client.query(
        `SELECT FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) b JOIN pg_stat_activity o ON o.pid = b
         WHERE a.usename = $1 AND o.usename = $2`,
        [tenant.connection.user, tenant.admin.user],
      );
      samples++;
      if (rows.length > 0) blocked++;
      await sleep(5);
    }
  })();
  const removed = await retain(tenant);
  const during = { p99: p99(), runs: times.length };
  stop.abort();
  await Promise.all([work, watching]);
  await watch.close();
  console.log(
    `retention beside runs: before ${JSON.stringify(before)}, during ${JSON.stringify(during)}, blocked ${blocked} of ${samples} samples`,
  );
  expect(removed).toMatchObject({ sessions: 3000, runs: 9000, messages: 18000 });
  expect(during.runs).toBeGreaterThan(50);
  expect(during.p99).toBeLessThan(Math.max(10 * before.p99, 100));
  // The one audit row takes its turn like a run's own.
  expect(blocked).toBeLessThanOrEqual(1);
  expect(await auditFaults(tenant)).toEqual([]);
}, 120_000);
