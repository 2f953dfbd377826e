import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { NothingRetained } from "../../src/database/errors.ts";
import type { ErasureProgress } from "../../src/database/lifecycle/erase-work.ts";
import { type Subject, subjectHash } from "../../src/database/lifecycle/subject.ts";
import { applySteps } from "../../src/database/runs/apply-steps.ts";
import { requestCancel } from "../../src/database/runs/cancel-run.ts";
import { createSessions } from "../../src/database/runs/sessions.ts";
import { renewLeases } from "../../src/database/runs/workers.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { breakingPool, closeDatabases, openDatabase, remains, withClient } from "./fixture.ts";
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

const erase = (
  tenant: TestTenant,
  subject: Subject,
  { waitMs = 5_000, database = tenant.database, progress = async (_at: ErasureProgress) => {} } = {},
) =>
  database.lifecycle.erase({ uid: tenant.uid, subject, by: "jane@example.com", waitMs }, tenant.epoch, never, progress);

/** All text of all tables: what is erased must be nowhere. */
async function everything({ sql }: TestTenant): Promise<string> {
  const [row] = await sql<{ all: string }>(
    `SELECT concat((SELECT json_agg(t) FROM sessions t), (SELECT json_agg(t) FROM runs t), (SELECT json_agg(t) FROM messages t),
       (SELECT json_agg(t) FROM tool_executions t), (SELECT json_agg(t) FROM message_archive t), (SELECT json_agg(t) FROM audit t)) AS all`,
  );
  return row?.all ?? "";
}

/** A run of `session` that waits for a run of another agent, which is in a session of its own. */
async function aDelegation(
  tenant: TestTenant,
  session: string,
  user: string,
): Promise<{ parent: string; child: string; nested: string }> {
  const [parent, child, nested] = [idAt(new Date()), idAt(new Date()), idAt(new Date())];
  const accepted = await accept(tenant, session, { user, run: parent });
  expect(accepted.outcome).toBe("started");
  const task = {
    toolUseId: "d1",
    name: "researcher",
    input: { task: `look up ${user}` },
    idempotencyKey: randomUUID(),
    childRun: child,
  };
  await applySteps(tenant.db, [
    aStep(parent, {
      to: "awaiting_agent",
      messages: [],
      started: [task],
      children: [
        {
          id: child,
          sessionId: nested,
          agent: "researcher",
          userId: user,
          toolUseId: "d1",
          prompt: `look up ${user}`,
          depth: 1,
        },
      ],
      audit: [auditOf(user, session, "agent.asked")],
    }),
  ]);
  return { parent, child, nested };
}

describe("a session", () => {
  test("is erased with its nested ones and their text in the audit log; others stay", async () => {
    const tenant = await aTenant();
    const mine = await aConversation(tenant, { user: "ann@example.com" });
    const other = await aConversation(tenant, { user: "ann@example.com" });
    await archive(tenant, mine, 9, new Date());
    const { nested } = await aDelegation(tenant, mine.session, "ann@example.com");
    const subject = { session: mine.session };
    const counted = await tenant.database.lifecycle.countSubject({ uid: tenant.uid }, subject);
    expect(counted).toEqual({
      sessions: 2,
      runs: 3,
      openRuns: 2,
      messages: 3,
      toolExecutions: 2,
      archivedMessages: 1,
      auditRows: 3,
      atLeast: false,
    });

    const { removed, cutOffRuns, sessionsLeft } = await erase(tenant, subject);
    const { openRuns: _open, atLeast: _all, ...rows } = counted;
    expect({ removed, cutOffRuns, sessionsLeft }).toEqual({ removed: rows, cutOffRuns: 0, sessionsLeft: 0 });
    expect(await rowsOf(tenant, [mine.session, nested])).toEqual({
      sessions: 0,
      runs: 0,
      messages: 0,
      archived: 0,
      orphans: 0,
    });
    expect(await rowsOf(tenant, [other.session])).toMatchObject({ sessions: 1, runs: 1, messages: 2 });
    expect(await everything(tenant)).not.toContain(mine.session);
    expect(await auditFaults(tenant)).toEqual([]);
  });

  test("whose run is at work is erased once the run has ended in good order", async () => {
    const tenant = await aTenant();
    const { session } = await aConversation(tenant);
    const run = idAt(new Date());
    const worker = randomUUID();
    await renewLeases(tenant.db, worker, AGENT, 60, { pod: "p", credentials: "1", problem: null });
    await accept(tenant, session, { run, worker });
    const seen: ErasureProgress[] = [];
    const pod = (async () => {
      for (;;) {
        const held = await renewLeases(tenant.db, worker, AGENT, 60, { pod: "p", credentials: "1", problem: null });
        if (held[0]?.cancelRequested && seen.length > 0) break;
        await sleep(20);
      }
      return applySteps(tenant.db, [
        aStep(run, { to: "cancelled", messages: [], audit: [auditOf("ann", session, "run.cancelled")] }),
      ]);
    })();
    const { cutOffRuns, removed } = await erase(tenant, { session }, { progress: async (at) => void seen.push(at) });
    expect((await pod)[0]?.applied).toBe(true);
    expect(cutOffRuns).toBe(0);
    expect(removed).toMatchObject({ sessions: 1, runs: 2, auditRows: 3 });
    expect(seen[0]).toEqual({ stage: "waiting", runs: 1 });
    expect(await everything(tenant)).not.toContain(session);
  });

  test("whose run does not end in time is erased all the same, and the pod's late write changes nothing", async () => {
    const tenant = await aTenant();
    const { session } = await aConversation(tenant);
    const run = idAt(new Date());
    const worker = randomUUID();
    await renewLeases(tenant.db, worker, AGENT, 60, { pod: "p", credentials: "1", problem: null });
    await accept(tenant, session, { run, worker });
    expect((await erase(tenant, { session }, { waitMs: 300 })).cutOffRuns).toBe(1);
    const child = {
      id: idAt(new Date()),
      sessionId: idAt(new Date()),
      agent: "researcher",
      userId: "ann",
      toolUseId: "d",
      prompt: "p",
      depth: 1,
    };
    const late = aStep(run, { children: [child], audit: [auditOf("ann", session)], from: "running" });
    expect((await applySteps(tenant.db, [late]))[0]?.applied ?? false).toBe(false);
    expect(await requestCancel(tenant.db, run)).toBeUndefined();
    expect(await rowsOf(tenant, [session, child.sessionId])).toEqual({
      sessions: 0,
      runs: 0,
      messages: 0,
      archived: 0,
      orphans: 0,
    });
    expect(await everything(tenant)).not.toContain(session);
    expect(await accept(tenant, session)).toEqual({ outcome: "no_session", exists: false });
  });

  test("that pods write to all the while leaves nothing behind", async () => {
    const tenant = await aTenant();
    for (let round = 0; round < 15; round++) {
      const { session } = await aConversation(tenant);
      const run = idAt(new Date());
      await accept(tenant, session, { run });
      const writing = (async () => {
        for (let step = 1; ; step++) {
          const child = {
            id: idAt(new Date()),
            sessionId: idAt(new Date()),
            agent: "researcher",
            userId: "ann",
            toolUseId: `d${step}`,
            prompt: "p",
            depth: 1,
          };
          const messages = [{ role: "user" as const, content: [], seq: 2 + step * 2 }];
          const [outcome] = await applySteps(tenant.db, [
            aStep(run, { step, to: "running", messages, children: [child] }),
          ]);
          if (!outcome?.applied) return;
        }
      })();
      await sleep(10 + Math.random() * 30);
      await erase(tenant, { session }, { waitMs: 0 });
      await writing;
    }
    const [left] = await tenant.sql(
      "SELECT (SELECT count(*)::int FROM sessions) AS sessions, (SELECT count(*)::int FROM runs) AS runs, (SELECT count(*)::int FROM messages) AS messages",
    );
    expect(left).toEqual({ sessions: 0, runs: 0, messages: 0 });
  }, 120_000);
});

describe("a user", () => {
  test("is erased with all agents, and nobody else; who asked and how much is told, the user's id is not", async () => {
    const tenant = await aTenant();
    for (let i = 0; i < 45; i++) await aConversation(tenant, { user: "ann@example.com" });
    await createSessions(tenant.db, "billing", [{ id: idAt(new Date()), userId: "ann@example.com", metadata: {} }]);
    const bob = await aConversation(tenant, { user: "bob@example.com" });
    const subject = { user: "ann@example.com" };
    const { id, removed } = await erase(tenant, subject);
    expect(removed).toMatchObject({ sessions: 46, runs: 45, messages: 90, toolExecutions: 45, auditRows: 90 });
    expect(await everything(tenant)).not.toContain("ann@example.com");
    expect(await rowsOf(tenant, [bob.session])).toMatchObject({ sessions: 1, runs: 1, messages: 2 });
    const about = { kind: "user", sha256: subjectHash(tenant.uid, subject) };
    expect(await recordsOf(tenant, "data.erasure.begun")).toMatchObject([
      { erasure: id, by: "jane@example.com", subject: about },
    ]);
    expect(await recordsOf(tenant, "data.erasure.completed")).toMatchObject([
      { erasure: id, by: "jane@example.com", subject: about, removed },
    ]);
    expect(await auditFaults(tenant)).toEqual([]);
  });

  test("of whom nothing is known is erased too: nothing happens, and it is told", async () => {
    const tenant = await aTenant();
    await aConversation(tenant);
    expect((await erase(tenant, { user: "nobody" })).removed).toMatchObject({ sessions: 0, auditRows: 0 });
    expect(await recordsOf(tenant, "data.erasure.completed")).toHaveLength(1);
  });

  test("wherever the operator is killed, erasing again finishes, and the audit log holds", async () => {
    let statements = Number.POSITIVE_INFINITY;
    for (let at = 1; at <= statements; at += 7) {
      const tenant = await aTenant();
      const { session } = await aConversation(tenant);
      await aDelegation(tenant, session, "ann");
      const { openPool, count } = breakingPool({ at });
      const dying = await openDatabase(tenant.admin, { migrationsDir: "migrations", openPool });
      const died = await erase(tenant, { user: "ann" }, { database: dying }).then(
        () => false,
        () => true,
      );
      if (!died) statements = count();
      expect(await auditFaults(tenant), `killed at ${at}`).toEqual([]);
      await erase(tenant, { user: "ann" });
      expect(await everything(tenant), `killed at ${at}`).not.toContain(session);
      expect(await auditFaults(tenant), `killed at ${at}`).toEqual([]);
      await tenant.db.close();
    }
  }, 240_000);
});

describe("the audit log after an erasure", () => {
  async function anErasedLog(): Promise<TestTenant> {
    const tenant = await aTenant();
    await aConversation(tenant, { user: "bob" });
    await aConversation(tenant, { user: "ann" });
    await erase(tenant, { user: "ann" });
    return tenant;
  }

  test("keeps when and what kind of action; of lines that are no JSON only what nobody is named in", async () => {
    const tenant = await aTenant();
    await aConversation(tenant, { user: "ann" });
    await accept(tenant, (await aConversation(tenant, { user: "bob" })).session, {
      user: "bob",
      run: idAt(new Date()),
    });
    const odd = ['not JSON, of "user":"ann"', 'not JSON, of "user":"anna"'].map((record) => ({
      at: new Date().toISOString(),
      record,
    }));
    const [run] = await tenant.sql<{ id: string }>("SELECT id FROM runs WHERE state = 'running'");
    await applySteps(tenant.db, [aStep(run?.id ?? "", { audit: odd, messages: [] })]);
    const { id } = await erase(tenant, { user: "ann" });
    const records = (await auditRecords(tenant)).map((it) => it.record);
    expect(records).toContain(odd[1]?.record);
    const tombstones = records.filter((it) => it.startsWith('{"erased"')).map((it) => JSON.parse(it) as object);
    expect(tombstones).toMatchObject([
      { erased: id, agent: AGENT, action: "tool.called" },
      { erased: id, agent: AGENT, action: "run.completed" },
      { erased: id, at: null, agent: null, action: null },
    ]);
    expect(Object.keys(tombstones[0] ?? {})).toEqual(["erased", "at", "agent", "action"]);
  });

  test.each([
    [
      "a further row emptied in the name of the erasure",
      "UPDATE audit SET record = (SELECT record FROM audit WHERE record LIKE '{\"erased\"%' LIMIT 1) WHERE seq = 1",
      "tombstone",
    ],
    [
      "a row emptied in the name of an erasure that never was",
      `UPDATE audit SET record = '{"erased":"x"}' WHERE seq = 1`,
      "tombstone",
    ],
    [
      "the row that tells of the erasure rewritten",
      "UPDATE audit SET record = replace(record, 'jane', 'mary') WHERE record LIKE '%data.erasure.completed%'",
      "changed",
    ],
    ["a tombstone filled with other words", 'UPDATE audit SET record = \'{"user":"ann"}\' WHERE seq = 3', "changed"],
  ])("shows %s", async (_what, tampering, fault) => {
    const tenant = await anErasedLog();
    expect(await auditFaults(tenant)).toEqual([]);
    await tenant.sql(tampering);
    expect((await auditFaults(tenant)).map((it) => it.fault)).toContain(fault);
  });
});

/** What a stolen login can do to its own tenant's audit log: append what it likes, and move the head. */
async function vandalise(tenant: TestTenant): Promise<void> {
  await withClient(tenant.connection, async (client) => {
    const deep = "[".repeat(100_000);
    const hash = Buffer.alloc(32);
    for (const [seq, record] of [
      ["-9223372036854775808", "null"],
      ["9223372036854775000", deep],
      ["9223372036854775806", `{"user":"ann","input":${deep}`],
      ["9223372036854775807", `{"user":"ann","input":"${"x".repeat(30 << 20)}"}`],
    ])
      await client.query("INSERT INTO audit (seq, at, prev_hash, hash, record) VALUES ($1, '1990-01-01', $2, $2, $3)", [
        seq,
        hash,
        record,
      ]);
    await client.query("UPDATE audit_head SET seq = 5000000000000000000, hash = $1", [Buffer.alloc(20 << 20)]);
  });
}

test("whatever a stolen login appends to the audit log, erasure, export and retention come to an end, and the operator stays small", async () => {
  const tenant = await aTenant();
  await aConversation(tenant, { user: "ann", at: daysAgo(2) });
  await vandalise(tenant);
  const { lifecycle } = tenant.database;
  let largest = 0;
  const emit = async (line: object) => void (largest = Math.max(largest, JSON.stringify(line).length));
  expect(await lifecycle.countSubject({ uid: tenant.uid }, { user: "ann" })).toMatchObject({
    sessions: 1,
    auditRows: 4,
  });
  await lifecycle.exportTenant({ uid: tenant.uid }, { emit, signal: never });
  await lifecycle.exportTenant({ uid: tenant.uid, subject: { user: "ann" } }, { emit, signal: never });
  expect(largest).toBeLessThan(33 << 20);
  const policy = { sessionDays: 90, archiveDays: 30, auditDays: 1 };
  await expect(lifecycle.applyRetention({ uid: tenant.uid }, policy, tenant.epoch, never)).rejects.toThrow(
    /tampered with/,
  );
  expect((await erase(tenant, { user: "ann" })).removed).toMatchObject({ sessions: 1, auditRows: 4 });
  expect((await auditFaults(tenant)).length).toBeGreaterThan(0);
}, 120_000);

test("an audit log that takes no further row stops an erasure before it begins, and says why", async () => {
  const tenant = await aTenant();
  const { session } = await aConversation(tenant);
  await withClient(tenant.connection, (client) => client.query("UPDATE audit_head SET seq = 0"));
  await expect(erase(tenant, { session })).rejects.toThrow(/takes no further row/);
  expect(await rowsOf(tenant, [session])).toMatchObject({ sessions: 1, runs: 1, messages: 2 });
});

describe("what a deleted Tenant left", () => {
  test("is there until it is purged, and then nothing is left", async () => {
    const tenant = await aTenant();
    const { lifecycle } = tenant.database;
    await aConversation(tenant);
    await expect(lifecycle.purgeRetained(tenant.request.name, tenant.epoch)).rejects.toThrow(NothingRetained); // it lives
    await tenant.db.close();
    await tenant.database.deprovision(tenant.request, "Retain", tenant.epoch);
    expect(await lifecycle.retained()).toMatchObject([{ name: tenant.request.name, state: "retained" }]);
    await expect(lifecycle.purgeRetained("another", tenant.epoch)).rejects.toThrow(tenant.request.name);
    await lifecycle.purgeRetained(tenant.request.name, tenant.epoch);
    expect(await remains(postgres.adminSettings(tenant.admin.database), tenant.names.schema)).toEqual([]);
    expect(await lifecycle.retained()).toEqual([]);
    tenants.length = 0;
  });
});
