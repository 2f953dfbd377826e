import { randomUUID } from "node:crypto";
import { appendFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { TenantDatabaseNames } from "../../src/api/names.ts";
import { decideApproval } from "../../src/database/runs/approvals.ts";
import { applySteps, type RunStep } from "../../src/database/runs/apply-steps.ts";
import { AgentDatabase, isTransient } from "../../src/database/runs/database.ts";
import { z } from "zod";
import { clientOptions } from "../../src/database/connection.ts";
import { contentsOf } from "../../src/runtime/modules/contents.ts";
import { defineTool } from "../../src/runtime/modules/interface.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/postgres.ts";
import { type AgentProcess, startProcess } from "./agent-process.ts";
import { all, SecretVolume, secretFiles, World } from "./fixture.ts";
import { mounted } from "./module-folder.ts";
import { SilentProxy } from "./silent-proxy.ts";

let world: World;
let processes: AgentProcess[] = [];
beforeAll(async () => {
  world = await World.create();
});
afterAll(() => world?.close());
beforeEach(() => world.fresh());
afterEach(async () => {
  await Promise.all(processes.map((it) => it.end("SIGKILL")));
  processes = [];
  await world.stopAgents();
});
const start = async (...args: Parameters<typeof startProcess> extends [World, ...infer Rest] ? Rest : never) => {
  const started = await startProcess(world, ...args);
  processes.push(started);
  return started;
};
const slow = (idempotent: boolean) => ({
  name: "slow",
  description: "d",
  idempotent,
  sql: { statement: "SELECT pg_sleep(3)::text AS slept" },
});
const state = (id: string) => async () =>
  (await world.sql<{ state: string }>("SELECT state FROM runs WHERE id = $1", [id]))[0]?.state;
const executions = (id: string) =>
  world.sql("SELECT name, state, attempts, is_error FROM tool_executions WHERE run_id = $1", [id]);
const roles = async (sessionId: string) =>
  (await world.sql<{ role: string }>("SELECT role FROM messages WHERE session_id = $1 ORDER BY seq", [sessionId])).map(
    (it) => it.role,
  );

describe("a process that is killed", () => {
  it("leaves its runs to another, which answers each once", async () => {
    await world.fresh({ latencyMs: 400 });
    const first = await start();
    const sessions = await Promise.all(Array.from({ length: 20 }, () => first.client.createSession()));
    const runs = await Promise.all(sessions.map((it) => first.client.startRun(it.id, "Hello")));
    await first.end("SIGKILL");
    await start();
    await expect
      .poll(
        () =>
          world.sql("SELECT state, count(*)::int AS runs FROM runs WHERE id = ANY($1) GROUP BY 1", [
            runs.map((it) => it.id),
          ]),
        { timeout: 15_000 },
      )
      .toEqual([{ state: "completed", runs: 20 }]);
    for (const { id } of sessions) expect(await roles(id)).toEqual(["user", "assistant"]);
  });

  it("in the middle of a call does not have the call made again, and the model is told", async () => {
    const first = await start({ tools: [slow(false)] });
    const session = await first.client.createSession();
    const { id } = await first.client.startRun(session.id, "USE_TOOL 1 slow");
    await expect.poll(() => executions(id), { timeout: 5000 }).toMatchObject([{ state: "running" }]);
    await first.end("SIGKILL");
    await start({ tools: [slow(false)] });
    await expect.poll(state(id), { timeout: 15_000 }).toBe("completed");
    expect(await executions(id)).toEqual([{ name: "slow", state: "failed", attempts: 1, is_error: true }]);
    expect(await roles(session.id)).toEqual(["user", "assistant", "user", "assistant"]);
    const [result] = await world.sql<{ content: string }>(
      "SELECT content->0->>'content' AS content FROM messages WHERE session_id = $1 AND seq = 3",
      [session.id],
    );
    expect(result?.content).toMatch(/may or may not have taken effect/);
  });

  it("has an idempotent call made again", async () => {
    const first = await start({ tools: [slow(true)] });
    const session = await first.client.createSession();
    const { id } = await first.client.startRun(session.id, "USE_TOOL 1 slow");
    await expect.poll(() => executions(id), { timeout: 5000 }).toMatchObject([{ state: "running" }]);
    await first.end("SIGKILL");
    await start({ tools: [slow(true)] });
    await expect.poll(state(id), { timeout: 20_000 }).toBe("completed");
    expect(await executions(id)).toEqual([{ name: "slow", state: "completed", attempts: 2, is_error: false }]);
  });
});

describe("a process that is killed around calls that somebody has approved", () => {
  const config = { approvals: { tools: ["note"], timeoutSeconds: 60, onTimeout: "Deny" as const } };
  /** A tool that writes down that it was called, and then takes for ever. */
  const source = (file: string) => `
    import { appendFileSync } from "node:fs";
    import { defineTool } from "agentpg-operator/tools";
    import { z } from "zod";
    export default { tools: [defineTool({ name: "note", description: "d", input: z.looseObject({}), execute: (_input, { runId }) => {
      appendFileSync(${JSON.stringify(file)}, "first " + runId + "\\n");
      return new Promise(() => setInterval(() => {}, 1000));
    } })] };`;
  const approved = async (agent: AgentProcess) => {
    const { id } = await agent.client.startRun((await agent.client.createSession()).id, "USE_TOOL 1 note");
    await expect.poll(state(id), { timeout: 10_000 }).toBe("awaiting_approval");
    const { items } = await agent.client.approvals();
    const toolUseId = items.find((it) => it.runId === id)?.toolUseId ?? "";
    return { id, toolUseId, approve: () => agent.client.decide(id, toolUseId, true) };
  };
  /** The tool that is there after the kill: it works, and says so in the same file. */
  const secondNote = (file: string) =>
    defineTool({
      name: "note",
      description: "d",
      input: z.looseObject({}),
      execute: (_input, { runId }) => (appendFileSync(file, `second ${runId}\n`), "noted"),
    });
  const startSecond = (file: string) =>
    world.start(config, { modules: [{ name: "notes", ...contentsOf({ tools: [secondNote(file)] }) }] });
  const locked = async (sql: string, values: unknown[]) => {
    const client = new Client(clientOptions(world.postgres.adminSettings(world.operatorDatabase), "test"));
    await client.connect();
    await client.query(`SET search_path = ${world.names.schema}; BEGIN`);
    await client.query(`${sql} FOR UPDATE`, values);
    return client;
  };
  const BLOCKED = "pg_stat_activity WHERE wait_event_type = 'Lock' AND usename <> current_user";

  it("has those made once that had not begun, and none of those that had", async () => {
    const file = join(world.folder, "notes");
    const { modules, env } = await mounted(world, { notes: { "notes.ts": source(file) } });
    const first = await start({ ...config, modules }, env);
    const begun = await approved(first);
    await begun.approve();
    await expect.poll(() => readFile(file, "utf8").catch(() => ""), { timeout: 10_000 }).toBe(`first ${begun.id}\n`);
    const open = await approved(first);
    const unclaimed = await locked("SELECT FROM runs WHERE id = $1", [open.id]);
    await open.approve();
    const unstarted = await locked("SELECT FROM tool_executions WHERE run_id = $1", [open.id]);
    await unclaimed.end();
    await expect.poll(async () => (await world.sql(`SELECT FROM ${BLOCKED}`)).length, { timeout: 10_000 }).toBe(1);
    await first.end("SIGKILL");
    await world.sql(`SELECT pg_terminate_backend(pid, 5000) FROM ${BLOCKED}`); // what it had sent goes with it
    await unstarted.end();

    await startSecond(file);
    for (const { id } of [begun, open]) await expect.poll(state(id), { timeout: 15_000 }).toBe("completed");
    expect(await readFile(file, "utf8")).toBe(`first ${begun.id}\nsecond ${open.id}\n`);
    expect(await executions(open.id)).toEqual([{ name: "note", state: "completed", attempts: 1, is_error: false }]);
    expect(await executions(begun.id)).toEqual([{ name: "note", state: "failed", attempts: 1, is_error: true }]);
    const [told] = await world.sql<{ content: string }>(
      "SELECT content->0->>'content' AS content FROM messages WHERE run_id = $1 AND seq = 3",
      [begun.id],
    );
    expect(told?.content).toMatch(/may or may not have taken effect/);
  }, 60_000);

  it("has them end once as was decided while no pod was alive, which the console can", async () => {
    const file = join(world.folder, "decided-alone");
    const { modules, env } = await mounted(world, { notes: { "notes.ts": source(file) } });
    const first = await start({ ...config, modules }, env);
    const [yes, no] = [await approved(first), await approved(first)];
    await first.end("SIGKILL");
    const decide = (call: typeof yes, approve: boolean) =>
      world.operator.console.write(
        { uid: world.tenant.uid, keys: { keys: {}, current: undefined } },
        "deciding",
        (db) =>
          decideApproval(db, {
            runId: call.id,
            toolUseId: call.toolUseId,
            approved: approve,
            by: "carol",
            reason: approve ? undefined : "not on a Friday",
            audit: {
              at: new Date().toISOString(),
              record: JSON.stringify({ action: "approval.decided", run: call.id }),
            },
          }),
      );
    expect([await decide(yes, true), await decide(no, false)]).toEqual(["decided", "decided"]);
    await Promise.all([startSecond(file), startSecond(file)]);
    for (const { id } of [yes, no]) await expect.poll(state(id), { timeout: 15_000 }).toBe("completed");
    expect(await readFile(file, "utf8")).toBe(`second ${yes.id}\n`);
    expect(await executions(yes.id)).toEqual([{ name: "note", state: "completed", attempts: 1, is_error: false }]);
    expect(await executions(no.id)).toEqual([{ name: "note", state: "failed", attempts: 1, is_error: true }]);
    const said = await world.sql<{ run: string; text: string }>(
      "SELECT run_id AS run, content::text AS text FROM messages WHERE run_id = ANY($1) ORDER BY run_id, seq",
      [[yes.id, no.id]],
    );
    expect(said.map(({ run }) => run)).toEqual([...Array<string>(4).fill(yes.id), ...Array<string>(4).fill(no.id)]);
    expect(said[6]?.text).toContain("A person denied this call: not on a Friday. It was not made.");
    const ends = await world.sql<{ run: string }>(
      "SELECT record::jsonb->>'run' AS run FROM audit WHERE record::jsonb->>'action' = 'run.completed' AND record::jsonb->>'run' = ANY($1)",
      [[yes.id, no.id]],
    );
    expect(ends.map(({ run }) => run).toSorted()).toEqual([yes.id, no.id].toSorted());
  }, 60_000);
});

describe("a process that is asked to end", () => {
  it("finishes what it has, takes nothing new, and ends with 0", async () => {
    await world.fresh({ latencyMs: 800 });
    const agent = await start();
    const session = await agent.client.createSession();
    const { id } = await agent.client.startRun(session.id, "Hello");
    const ended = agent.end("SIGTERM");
    await expect.poll(async () => (await fetch(`${agent.metricsUrl}/readyz`)).status).toBe(503);
    await expect(agent.client.startRun(session.id, "Another")).rejects.toMatchObject({ status: 503 });
    expect(await ended).toBe(0);
    expect(await state(id)()).toBe("completed");
  });

  it("serves whoever still comes until everybody knows that it ends, and answers end their connections", async () => {
    await world.fresh();
    const agent = await start({}, { AGENTPG_LEAVE_SECONDS: "3" });
    const session = await agent.client.createSession();
    const ended = agent.end("SIGTERM");
    await expect.poll(async () => (await fetch(`${agent.metricsUrl}/readyz`)).status).toBe(503);
    const answer = await fetch(`${agent.url}/livez`);
    expect([answer.status, answer.headers.get("connection")]).toEqual([200, "close"]);
    const { id } = await agent.client.startRun(session.id, "Hello");
    expect(await ended).toBe(0);
    expect(await state(id)()).toBe("completed");
  });

  it("hands over at once what does not finish in its grace", async () => {
    await world.fresh({ latencyMs: 3000 });
    const first = await start({}, { AGENTPG_DRAIN_SECONDS: "1", AGENTPG_LEASE_SECONDS: "60" });
    const second = await start();
    const session = await first.client.createSession();
    const { id } = await first.client.startRun(session.id, "Hello");
    expect(await first.end("SIGTERM")).toBe(0);
    await world.fresh();
    expect((await all(second.client.events(id))).at(-1)?.type).toBe("run.completed");
    expect(await roles(session.id)).toEqual(["user", "assistant"]);
  });
});

describe("a worker that has lost its run", () => {
  it("writes nothing any more, and a write that is sent twice applies once", async () => {
    const { client, engine } = await world.start();
    const session = await client.createSession();
    await world.fresh({ latencyMs: 1500 });
    const { id } = await client.startRun(session.id, "Hello");
    const db = new AgentDatabase(
      world.names.schema,
      world.connection,
      "test",
      { min: 0, max: 1, idleMs: 1000, lifetimeSeconds: 60 },
      () => {},
    );
    const step = (fence: number, n: number): RunStep => ({
      run: id,
      fence,
      step: n,
      from: "running",
      to: "running",
      iteration: 0,
      tokens: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
      usd: 0,
      messages: [],
      started: [],
      finished: [],
      children: [],
      response: null,
      stopReason: null,
      error: null,
      audit: [],
    });
    const other = "INSERT INTO workers (id, agent, expires_at) VALUES ($1, 'other', now() + interval '1 minute')";
    const worker = randomUUID();
    await world.sql(other, [worker]); // while it lives, nobody else claims the run
    await world.sql("UPDATE runs SET fence = 2, lease_owner = $2 WHERE id = $1", [id, worker]);
    const apply = async (fence: number, n: number) => (await applySteps(db, [step(fence, n)]))[0]?.applied;
    expect(await apply(1, 1)).toBe(false);
    expect(await apply(2, 2)).toBe(false);
    expect(await apply(2, 1)).toBe(true);
    expect(await apply(2, 1)).toBe(true);
    expect(await world.sql("SELECT step FROM runs WHERE id = $1", [id])).toEqual([{ step: 1 }]);
    await expect.poll(() => engine.active, { timeout: 10_000 }).toBe(0);
    await world.sql("DELETE FROM workers WHERE id = $1", [worker]);
    await expect.poll(state(id), { timeout: 10_000 }).toBe("completed"); // claimed anew, as its owner does not live
    expect(await roles(session.id)).toEqual(["user", "assistant"]);
    await db.close();
  });
});

describe("two pods", () => {
  it("share a session: one run at a time, in order, none lost", async () => {
    await world.fresh({ latencyMs: 20 });
    const [one, two] = [await world.start(), await world.start()];
    const session = await one.client.createSession();
    const asked = Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).client.ask(session.id, `Question ${i}`));
    expect((await Promise.all(asked)).every((it) => it.state === "completed")).toBe(true);
    const list = await roles(session.id);
    expect(list).toHaveLength(40);
    expect(list.every((role, i) => role === (i % 2 ? "assistant" : "user"))).toBe(true);
    expect(world.claude.stats.rejected).toBe(0);
  });

  it("stream each other's runs", async () => {
    await world.fresh({ latencyMs: 300 });
    const [one, two] = [await world.start(), await world.start()];
    const session = await one.client.createSession();
    const { id } = await one.client.startRun(session.id, "Hello");
    const events = await all(two.client.events(id));
    expect(events.at(-1)).toMatchObject({ type: "run.completed", data: { response: "All done." } });
  });

  it("cancel each other's runs", async () => {
    await world.fresh({ latencyMs: 20_000 });
    const [one, two] = [await world.start(), await world.start()];
    const session = await one.client.createSession();
    const { id } = await one.client.startRun(session.id, "Hello");
    await two.client.cancel(id);
    await expect.poll(state(id), { timeout: 5000 }).toBe("cancelled");
  });
});

describe("a changed password", () => {
  it("fails no query, and the old login is left after a moment", async () => {
    const { client, status } = await world.start();
    const { names } = world;
    await world.sql(`ALTER ROLE ${names.logins.b} LOGIN PASSWORD 'another-password-0123456789'`);
    const stop = new AbortController();
    const failures: unknown[] = [];
    const load = async () => {
      const session = await client.createSession();
      while (!stop.signal.aborted) await client.ask(session.id, "Hello").catch((error) => failures.push(error));
    };
    const loads = Array.from({ length: 60 }, load); // more than there are connections: some calls wait for one
    await new Promise((resolve) => setTimeout(resolve, 500));
    const other = { ...world.connection, user: names.logins.b, password: "another-password-0123456789" };
    await world.database.publish(secretFiles(other, names.schema, "2"));
    await expect
      .poll(() => (status() as { database: { revision: string } }).database.revision, { timeout: 8000 })
      .toBe("2");
    const connections = () => world.sql("SELECT usename FROM pg_stat_activity WHERE usename = $1", [names.logins.a]);
    await expect.poll(connections, { timeout: 8000 }).toEqual([]);
    await world.sql(`ALTER ROLE ${names.logins.a} NOLOGIN`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    stop.abort();
    await Promise.all(loads);
    expect(failures).toEqual([]);
    await world.sql(`ALTER ROLE ${names.logins.a} LOGIN`);
    await world.database.publish(secretFiles(world.connection, names.schema, "3"));
  });

  it("fails no call that waits for a connection of the old login", async () => {
    const limits = { min: 0, max: 1, idleMs: 1000, lifetimeSeconds: 60 };
    const db = new AgentDatabase(world.names.schema, world.connection, "test", limits, () => {});
    const calls = Array.from({ length: 5 }, () => db.query("slow", "SELECT pg_sleep(0.1), 1 AS one"));
    await db.rotate({ ...world.connection });
    expect(await Promise.all(calls)).toMatchObject(Array.from({ length: 5 }, () => [{ one: 1 }]));
    expect(await db.query("fast", "SELECT 2 AS two")).toEqual([{ two: 2 }]);
    await db.close();
  }, 5000);

  it("to nothing, or to a wrong one, leaves the last one in use", async () => {
    const { client, status } = await world.start();
    await world.database.publish({ ...secretFiles(world.connection, world.names.schema, "4"), password: "" });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await world.database.publish({ ...secretFiles(world.connection, world.names.schema, "5"), password: "wrong" });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const session = await client.createSession();
    expect((await client.ask(session.id, "Hello")).state).toBe("completed");
    expect((status() as { database: { revision: string } }).database.revision).toBe("3");
    await world.database.publish(secretFiles(world.connection, world.names.schema, "3"));
  });
});

describe("credentials that name another schema", () => {
  const provisioned = async () => {
    const request = { ...world.tenant, uid: randomUUID(), name: `made-${randomUUID()}` };
    const { names } = await world.operator.ensure(request, world.epoch);
    const { connection } = await world.operator.ensurePassword(request, undefined, world.epoch);
    return { names, connection };
  };
  const drop = ({ schema }: TenantDatabaseNames) => world.sql(`DROP SCHEMA ${schema} CASCADE`);
  const published = async (files: Record<string, string>) => {
    const volume = new SecretVolume(join(world.folder, randomUUID()));
    await volume.publish(files);
    return { volume, env: { AGENTPG_DATABASE_DIR: volume.path } };
  };
  const exitCode = ({ child }: AgentProcess) =>
    eventually(
      () => child.exitCode,
      (code) => code !== null,
    );

  it("end the process once its work is done, to be started anew", async () => {
    await world.fresh({ latencyMs: 1500 });
    const { connection, names } = await provisioned();
    const { volume, env } = await published(secretFiles(world.connection, world.names.schema));
    const agent = await start({}, env);
    const session = await agent.client.createSession();
    const { id } = await agent.client.startRun(session.id, "Hello");
    await volume.publish(secretFiles(connection, names.schema, "2"));
    expect(await exitCode(agent)).toBe(1);
    expect(await state(id)()).toBe("completed");
    expect(agent.output()).not.toContain("new database credentials are in use");
  });

  it("end one whose own schema is lost, with the reason in its last words; its successor serves", async () => {
    await world.fresh({ latencyMs: 60_000 });
    const [lost, made] = [await provisioned(), await provisioned()];
    const { volume, env } = await published(secretFiles(lost.connection, lost.names.schema));
    const words = join(world.folder, "termination-log");
    await writeFile(words, "");
    const agent = await start({}, { ...env, AGENTPG_TERMINATION_LOG: words, AGENTPG_DRAIN_SECONDS: "1" });
    const session = await agent.client.createSession();
    await agent.client.startRun(session.id, "Hello");
    await drop(lost.names);
    await volume.publish(secretFiles(made.connection, made.names.schema, "2"));
    expect(await exitCode(agent)).toBe(1);
    expect(await readFile(words, "utf8")).toMatch(
      new RegExp(`name the schema ${made.names.schema}, and this process began with ${lost.names.schema}: it ends`),
    );
    await world.fresh();
    const { client } = await start({}, env);
    expect((await client.ask((await client.createSession()).id, "Hello")).state).toBe("completed");
  });

  it("end one that still waits for the schema it began with", async () => {
    const [lost, made] = [await provisioned(), await provisioned()];
    await drop(lost.names);
    const { volume, env } = await published(secretFiles(lost.connection, lost.names.schema));
    const port = await freePort();
    const started = start({}, { ...env, AGENTPG_METRICS_PORT: String(port) }).catch((error: Error) => error.message);
    await eventually(
      async () => (await fetch(`http://127.0.0.1:${port}/status`)).text(),
      (status) => status.includes('"revision":"1"'), // of the credentials that it waits with
    );
    await volume.publish(secretFiles(made.connection, made.names.schema, "2"));
    expect(await started).toContain(`name the schema ${made.names.schema}`);
  });
});

describe("a database that goes away for a moment", () => {
  it("loses no run", async () => {
    await world.fresh({ latencyMs: 500 });
    const { client } = await world.start();
    const sessions = await Promise.all(Array.from({ length: 5 }, () => client.createSession()));
    const runs = await Promise.all(sessions.map((it) => client.startRun(it.id, "Hello")));
    await world.postgres.restart();
    for (const { id } of runs) await expect.poll(state(id), { timeout: 20_000 }).toBe("completed");
    for (const { id } of sessions) expect(await roles(id)).toEqual(["user", "assistant"]);
  });
});

describe("connections to the database that fall silent", () => {
  let proxy: SilentProxy;
  beforeEach(async () => {
    proxy = await SilentProxy.to(world.connection);
  });
  afterEach(async () => {
    proxy.breakSilent(); // what waits on them holds up the end
    await world.stopAgents();
    proxy.close();
  });

  it("are given up with the first that keeps a heartbeat waiting, and others are opened", async () => {
    const volume = new SecretVolume(join(world.folder, "database-proxy"));
    await volume.publish(secretFiles(proxy.connection, world.names.schema));
    const { client, engine } = await world.start({}, {}, { AGENTPG_DATABASE_DIR: volume.path });
    const session = await client.createSession();
    expect((await client.ask(session.id, "Hello")).state).toBe("completed");
    const before = proxy.opened;
    proxy.fallSilent();
    await expect.poll(() => proxy.opened, { timeout: 15_000 }).toBeGreaterThan(before);
    await expect.poll(() => engine.holdsLeases, { timeout: 15_000 }).toBe(true);
    await expect
      .poll(() => client.ask(session.id, "Hello again").then((it) => it.state, String), { timeout: 40_000 })
      .toBe("completed");
  }, 90_000);

  it("fail what waits as an outage does, and whoever comes next waits for none of them", async () => {
    const limits = { max: 3, min: 3, idleMs: 60_000, lifetimeSeconds: 600 };
    const db = new AgentDatabase(world.names.schema, proxy.connection, "test", limits, () => {});
    try {
      const sleeps = (ms: number, silentMs?: number) =>
        db.query("sleeps", "SELECT pg_sleep($1)", [ms / 1000], silentMs);
      await Promise.all([sleeps(100), sleeps(100), sleeps(100)]);
      expect(proxy.opened).toBe(3);
      proxy.fallSilent();
      expect(isTransient(await sleeps(0, 300).catch((error: unknown) => error))).toBe(true);
      await Promise.all([sleeps(100), sleeps(100), sleeps(100)]); // the silent ones would take the 20 s of any statement, and fail
      expect(proxy.opened).toBe(6);
      expect(db.gauges).toMatchObject({ total: 3, idle: 3 });
    } finally {
      await db.close();
    }
  });

  it("do so too in the middle of a transaction; one on which something comes is not silent", async () => {
    const limits = { max: 1, min: 0, idleMs: 60_000, lifetimeSeconds: 600 };
    const db = new AgentDatabase(world.names.schema, proxy.connection, "test", limits, () => {});
    try {
      const chatty = db.withConnection(async (client) => {
        for (let i = 0; i < 20; i++) await client.query("SELECT pg_sleep(0.1)");
        return "done";
      }, 1000);
      expect(await chatty).toBe("done");
      const broken = db.withConnection(async (client) => {
        await client.query("BEGIN");
        proxy.fallSilent();
        await client.query("SELECT 1");
      }, 300);
      expect(isTransient(await broken.catch((error: unknown) => error))).toBe(true);
      expect(await db.query("one", "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    } finally {
      await db.close();
    }
  });
});

describe("a process that stands still for longer than its lease", () => {
  it("finds its run taken over when it goes on, and does not answer a second time", async () => {
    await world.fresh({ latencyMs: 600 });
    const first = await start();
    const session = await first.client.createSession();
    const { id } = await first.client.startRun(session.id, "Hello");
    first.child.kill("SIGSTOP");
    await start();
    await expect.poll(state(id), { timeout: 15_000 }).toBe("completed");
    expect(await world.sql("SELECT fence FROM runs WHERE id = $1", [id])).toEqual([{ fence: 2 }]);
    first.child.kill("SIGCONT");
    await expect
      .poll(async () => (await (await fetch(`${first.metricsUrl}/metrics`)).text()).includes("agentpg_runs_active 0"), {
        timeout: 10_000,
      })
      .toBe(true);
    expect(await roles(session.id)).toEqual(["user", "assistant"]);
    const [usage] = await world.sql<{ n: number }>(
      "SELECT count(*)::int AS n FROM audit WHERE record LIKE '%' || $1 || '%'",
      [id],
    );
    expect(usage?.n).toBe(1);
  });
});

describe("a run that is ours only in the database", () => {
  it("is found and worked on", async () => {
    const { client, engine } = await world.start();
    const session = await client.createSession();
    await world.sql(
      `INSERT INTO runs (id, session_id, agent, state, lease_owner, fence, started_at, deadline, model, prompt)
       VALUES ('01890000-0000-7000-8000-00000000000a', $1, 'support', 'running', $2, 1, now(), now() + interval '1 minute', 'm', 'Hello')`,
      [session.id, engine.worker],
    );
    await expect.poll(state("01890000-0000-7000-8000-00000000000a"), { timeout: 10_000 }).toBe("completed");
    expect(await roles(session.id)).toEqual(["user", "assistant"]);
  });
});

describe("a run that takes longer to open than two heartbeats", () => {
  const slowOpening = (session: string) =>
    world.sql(`CREATE FUNCTION slow_question() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2); RETURN NEW; END $$;
      CREATE TRIGGER slow_question BEFORE INSERT ON messages FOR EACH ROW
        WHEN (NEW.role = 'user' AND NEW.session_id = '${session}') EXECUTE FUNCTION slow_question()`);

  it("is opened once, and the model asked once", async () => {
    await world.fresh({ latencyMs: 1000 });
    const { client } = await world.start({ tenantLimits: { runsPerMinute: 100_000, concurrentRuns: 1 } });
    const [busy, waiting] = [await client.createSession(), await client.createSession()];
    await slowOpening(waiting.id);
    try {
      const first = await client.startRun(busy.id, "Hello");
      const { id } = await client.startRun(waiting.id, "Hello too"); // is queued, and claimed later
      await expect.poll(state(id), { timeout: 20_000 }).toBe("completed");
      expect(await state(first.id)()).toBe("completed");
      expect(await world.sql("SELECT fence FROM runs WHERE id = $1", [id])).toEqual([{ fence: 1 }]);
      expect(world.claude.stats.modelCalls).toBe(2);
    } finally {
      await world.sql("DROP TRIGGER slow_question ON messages; DROP FUNCTION slow_question()");
    }
  });
});

describe("more runs than the tenant may have at once", () => {
  it("wait their turn", async () => {
    await world.fresh({ latencyMs: 50 });
    const { client } = await world.start({ tenantLimits: { runsPerMinute: 10_000, concurrentRuns: 2 } });
    const sessions = await Promise.all(Array.from({ length: 10 }, () => client.createSession()));
    const results = await Promise.all(sessions.map((it) => client.ask(it.id, "Hello")));
    expect(results.every((it) => it.state === "completed")).toBe(true);
    expect(world.claude.stats.maxInFlight).toBeLessThanOrEqual(2);
  });
});

describe("a configuration that cannot work", () => {
  it("ends the process with 2 and says what is missing, even while there is no database", async () => {
    const files = { name: "notes", description: "d", files: { access: "ReadOnly" as const } };
    const started = start({ tools: [files] }, { AGENTPG_DATABASE_DIR: "/nowhere" });
    await expect(started).rejects.toThrow(/the tools files and commands need a workspace/);
  });
});
