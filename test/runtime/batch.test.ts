import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { dataKeyFiles } from "../../src/database/encryption/data-keys.ts";
import type { BatchSettings } from "../../src/runtime/batch/settings.ts";
import type { BatchCall } from "../support/simulated-claude/config.ts";
import { eventually } from "../support/eventually.ts";
import { type AgentProcess, startProcess } from "./agent-process.ts";
import { all, SecretVolume, textOf, types, World } from "./fixture.ts";

const QUICK: Partial<BatchSettings> = {
  tickMs: 30,
  gatherMs: 60,
  submitMs: 400,
  pollMs: 50,
  longestPollMs: 100,
  againMs: 50,
};

let world: World;
let processes: AgentProcess[] = [];
beforeAll(async () => {
  world = await World.create();
});
afterAll(() => world?.close());
beforeEach(() => world.fresh({ batchMs: 100 }));
afterEach(async () => {
  await Promise.all(processes.map((it) => it.end("SIGKILL")));
  processes = [];
  await world.stopAgents();
  await world.sql("DELETE FROM workers");
});

type Change = Parameters<World["config"]>[0];
const start = (change: Change = {}, settings: Partial<BatchSettings> = {}) =>
  world.start({ mode: "Batch", ...change }, { batch: { ...QUICK, ...settings }, pollMs: 50 });
/** One batch of exactly so many runs, however slowly they come. */
const together = (most: number): Partial<BatchSettings> => ({ most, gatherMs: 60_000 });
const startKillable = async (settings = together(3)) => {
  const env = { BATCH_SETTINGS: JSON.stringify({ ...QUICK, ...settings }) };
  const process = await startProcess(world, { mode: "Batch" }, env, ["test/runtime/batch-agent.ts"]);
  processes.push(process);
  return process;
};

type Client = Awaited<ReturnType<typeof start>>["client"];
async function ask(client: Client, ...questions: string[]): Promise<{ id: string; sessionId: string }[]> {
  return Promise.all(
    questions.map(async (question) => {
      const session = await client.createSession();
      return { id: (await client.startRun(session.id, question)).id, sessionId: session.id };
    }),
  );
}
const numbered = (count: number) => Array.from({ length: count }, (_, i) => `Hello ${i + 1}`);

interface Row {
  state: string;
  usd: string;
  response: string | null;
  error: { type: string; message: string } | null;
}
const rows = (runs: { id: string }[]) => () =>
  world.sql<Row>("SELECT state, usd, response, error FROM runs WHERE id = ANY($1) ORDER BY id", [
    runs.map((it) => it.id),
  ]);
const over = (seen: Row[]) => seen.every((it) => ["completed", "failed", "cancelled"].includes(it.state));
const ended = (runs: { id: string }[], seconds = 15) => eventually(rows(runs), over, seconds, 50);
const waits = (runs: { id: string }[]) =>
  eventually(rows(runs), (seen) => seen.every((it) => it.state === "awaiting_batch"), 10, 20);
const states = (seen: Row[]) => [...new Set(seen.map((it) => it.state))];
const roles = async (run: { sessionId: string }) =>
  (
    await world.sql<{ role: string }>("SELECT role FROM messages WHERE session_id = $1 ORDER BY seq", [run.sessionId])
  ).map((it) => it.role);
const batches = () => world.claude.batches.all;
/** How often each run was in a batch. */
const submissions = () =>
  batches()
    .flatMap((it) => it.entries)
    .reduce(
      (by, { custom_id }) => by.set(custom_id.slice(0, 36), (by.get(custom_id.slice(0, 36)) ?? 0) + 1),
      new Map<string, number>(),
    );

/** Each run has exactly one answer, and was in one batch. */
async function answeredOnce(runs: { id: string; sessionId: string }[]): Promise<void> {
  expect(states(await ended(runs))).toEqual(["completed"]);
  for (const run of runs) expect(await roles(run)).toEqual(["user", "assistant"]);
  expect(submissions()).toEqual(new Map(runs.map((it) => [it.id, 1])));
}

describe("an agent in Batch mode", () => {
  it("answers runs that come together with one batch, at half the price, and asks the model nothing else", async () => {
    const { client } = await start({}, together(8));
    const runs = await ask(client, ...numbered(8));
    await answeredOnce(runs);
    expect(batches()).toHaveLength(1);
    expect(world.claude.stats.modelCalls).toBe(0);
    const streaming = await world.start({ name: "other" });
    const [dear] = await ask(streaming.client, "Hello 1");
    const [full] = await ended([dear as { id: string }]);
    const [half] = await rows(runs.slice(0, 1))();
    expect(Number(half?.usd)).toBeGreaterThan(0);
    expect(Number(half?.usd)).toBeCloseTo(Number(full?.usd) / 2, 8);
  });

  it("goes on with tools, each answer by a batch of its own", async () => {
    await world.data(
      "CREATE TABLE IF NOT EXISTS orders (id int, status text); TRUNCATE orders; INSERT INTO orders VALUES (7, 'shipped')",
    );
    const parameters = { type: "object", properties: { id: { type: "integer" } }, required: ["id"] };
    const orders = {
      name: "orders",
      description: "d",
      sql: { statement: "SELECT status FROM orders WHERE id = $1", parameters },
    };
    const { client } = await start({ tools: [orders] });
    const [run] = await ask(client, "Where is order 7?");
    const [row] = await ended([run as { id: string }]);
    expect(row).toMatchObject({ state: "completed", response: "Order 7: status shipped" });
    expect(batches()).toHaveLength(2);
  });

  it("reads and stores nothing but encrypted transcripts when they are to be encrypted", async () => {
    const keys = new SecretVolume(join(world.folder, "transcript-keys"));
    await keys.publish(dataKeyFiles({ keys: { 1: randomBytes(32).toString("base64") }, current: 1 }));
    const { client } = await world.start(
      { mode: "Batch", encryptTranscripts: true },
      { batch: QUICK, pollMs: 50 },
      { AGENTPG_TRANSCRIPT_KEYS_DIR: keys.path },
    );
    const runs = await ask(client, "my walnut");
    await answeredOnce(runs);
    expect(JSON.stringify(batches()[0]?.entries)).toContain("my walnut");
    const stored = await world.sql<{ row: string }>(
      "SELECT r::text AS row FROM runs r WHERE id = $1 UNION ALL SELECT m::text FROM messages m WHERE run_id = $1",
      [runs[0]?.id],
    );
    expect(stored.map((it) => it.row).join()).not.toMatch(/walnut|All done/);
  });

  it("ends a run whose question the model's window has no room for, and says so", async () => {
    world.claude.config.windows = { "claude-sonnet-5-5": 3000 };
    const { client } = await start();
    const [row] = await ended(await ask(client, "pumpkin ".repeat(4000)));
    expect(row).toMatchObject({ state: "failed", error: { type: "context_full" } });
    const message = "prompt is too long: 9 tokens > 8 maximum";
    world.claude.config.batchOutcomes = [{ match: "squash", type: "errored", error: "invalid_request_error", message }];
    const [other] = await ended(await ask(client, "squash"));
    expect(other).toMatchObject({ state: "failed", error: { type: "context_full" } });
  });

  it("tells a client that follows when the batch was submitted, then the text and the end", async () => {
    world.claude.config.batchMs = 1200;
    const { client } = await start();
    const [run] = await ask(client, "Hello");
    const events = await all(client.events(run?.id ?? ""));
    expect(types(events)).toEqual(["run.started", "batch.submitted", "text.delta", "run.completed"]);
    expect(textOf(events)).toBe("All done.");
  });
});

/** Its lease is over at once: how long a lease lasts is not what this is about. */
async function kill(process: AgentProcess): Promise<void> {
  await process.end("SIGKILL");
  await world.sql("DELETE FROM workers");
}

/** Kills the process when it makes this call: before the call has had its effect, or after it and before it is answered. */
function killAt(process: AgentProcess, call: BatchCall, moment: "before" | "after"): Promise<unknown> {
  return new Promise((resolve) => {
    world.claude.batches.onCall = async (made, when) => {
      if (made !== call || when !== moment) return;
      world.claude.batches.onCall = () => {};
      resolve(await kill(process));
    };
  });
}

describe("a process that is killed", () => {
  it("while runs gather leaves them to another, which submits them", async () => {
    const first = await startKillable(together(100));
    const runs = await ask(first.client, ...numbered(3));
    await waits(runs);
    await kill(first);
    await start();
    await answeredOnce(runs);
    expect(batches()).toHaveLength(1);
  });

  it("after its intent, before the batch is created, has the runs submitted by another", async () => {
    const first = await startKillable();
    const killed = killAt(first, "create", "before");
    world.claude.config.batchFaults = [{ on: "create", kind: "reset" }];
    const runs = await ask(first.client, ...numbered(3));
    await killed;
    await start();
    await answeredOnce(runs);
    expect(batches()).toHaveLength(1);
  });

  it("after the batch is created, before that is written, has the batch found again and not made twice", async () => {
    const first = await startKillable();
    const killed = killAt(first, "create", "after");
    const runs = await ask(first.client, ...numbered(3));
    await killed;
    const second = await start();
    await answeredOnce(runs);
    expect(batches()).toHaveLength(1);
    expect(await second.metrics.registry.metrics()).toContain('agentpg_batches_total{outcome="recovered"} 1');
  });

  it.each(["retrieve", "results"] as const)("at the call %s leaves the batch to another", async (call) => {
    const first = await startKillable();
    const killed = killAt(first, call, "before");
    const runs = await ask(first.client, ...numbered(3));
    await killed;
    await start();
    await answeredOnce(runs);
    expect(batches()).toHaveLength(1);
  });

  it("in the middle of the answers leaves the rest to another, and no run is answered twice", async () => {
    const first = await startKillable(together(30));
    const runs = await ask(first.client, ...numbered(30));
    await eventually(rows(runs), (seen) => seen.some((it) => it.state === "completed"), 15, 2);
    await kill(first);
    await start();
    await answeredOnce(runs);
  });
});

describe("batches that may be ours", () => {
  const stranger = async (count: number) => {
    const params = { model: "claude-sonnet-5-5", max_tokens: 9, messages: [{ role: "user", content: "a" }] };
    const requests = Array.from({ length: count }, (_, i) => ({ custom_id: `another-${i}`, params }));
    const headers = { "x-api-key": "k", "anthropic-version": "2023-06-01", "content-type": "application/json" };
    await fetch(`${world.claudeUrl}/v1/messages/batches`, {
      method: "POST",
      headers,
      body: JSON.stringify({ requests }),
    });
  };

  it("are looked into when they are over, and nothing is submitted before; another's is left alone", async () => {
    await world.fresh({ batchMs: 1500, batchPage: 2, batchFaults: [{ on: "create", kind: "reset", times: 1 }] });
    const { client } = await start({}, together(2));
    world.claude.config.batchFaults = [];
    for (let i = 0; i < 5; i++) await stranger(2 + (i % 2));
    world.claude.config.batchFaults = [{ on: "create", kind: "reset" }];
    const made = Date.now();
    const runs = await ask(client, ...numbered(2));
    await eventually(
      () => batches().length,
      (count) => count === 6,
      10,
      20,
    );
    expect(Date.now() - made).toBeGreaterThan(1200);
    world.claude.config.batchMs = 50;
    expect(states(await ended(runs))).toEqual(["completed"]);
    expect(batches().every((it) => it.cancelledAt === undefined)).toBe(true);
  });

  it("submits once when the answer to a submission is lost, without anybody dying", async () => {
    world.claude.config.batchFaults = [{ on: "create", kind: "reset_after" }];
    const { client } = await start({}, together(3));
    const runs = await ask(client, ...numbered(3));
    await answeredOnce(runs);
    expect(batches()).toHaveLength(1);
  });
});

describe("two processes", () => {
  it("put no run into two batches, and both go on with the answers", async () => {
    const [one, two] = [await start({}, { most: 5 }), await start({}, { most: 5 })];
    const runs = (await Promise.all([ask(one.client, ...numbered(12)), ask(two.client, ...numbered(12))])).flat();
    await answeredOnce(runs);
    const largest = Math.max(...batches().map((it) => it.entries.length));
    expect(largest).toBeLessThanOrEqual(5);
  });
});

describe("a request of a batch", () => {
  it("that expired, failed for a moment or is missing is submitted again, each time counted", async () => {
    world.claude.config.batchOutcomes = [
      { match: "one", type: "expired" },
      { match: "two", type: "errored", error: "overloaded_error" },
      { match: "three", type: "missing" },
      { match: "four", type: "canceled" },
    ];
    const { client } = await start();
    const runs = await ask(client, "one", "two", "three", "four");
    expect(states(await ended(runs))).toEqual(["completed"]);
    expect([...submissions().values()]).toEqual([2, 2, 2, 2]);
  });

  it("that comes to nothing again and again fails its run, and says so", async () => {
    world.claude.config.batchOutcomes = [{ match: "Hello", type: "errored", times: 99 }];
    const { client } = await start({}, { again: 2, againMs: 10 });
    const [row] = await ended(await ask(client, "Hello"));
    expect(row).toMatchObject({
      state: "failed",
      error: { type: "batch_failed", message: expect.stringContaining("3 batches") },
    });
    expect(batches()).toHaveLength(3);
  });

  it("that the API refuses fails its run alone, and its session goes on", async () => {
    world.claude.config.batchOutcomes = [{ match: "bad", type: "errored", error: "invalid_request_error" }];
    const { client } = await start();
    const runs = await ask(client, "bad", "good");
    const seen = await ended(runs);
    expect(seen.map((it) => it.state).toSorted()).toEqual(["completed", "failed"]);
    expect(seen.find((it) => it.state === "failed")?.error).toMatchObject({ type: "invalid_request_error" });
    const next = await client.startRun(runs[0]?.sessionId ?? "", "Again");
    expect(states(await ended([next]))).toEqual(["completed"]);
  });
});

describe("a submission", () => {
  it("that is refused for a moment is made again", async () => {
    world.claude.config.batchFaults = [{ on: "create", kind: "overloaded" }];
    const { client } = await start({}, { busyMs: 50 });
    await answeredOnce(await ask(client, ...numbered(2)));
  });

  it("with a key that is refused fails its runs with what is to be done", async () => {
    world.claude.config.batchFaults = [{ on: "create", kind: "unauthorized", times: 99 }];
    const { client } = await start();
    const [row] = await ended(await ask(client, "Hello"));
    expect(row).toMatchObject({
      state: "failed",
      error: { type: "api_key_refused", message: expect.stringContaining("apiKeySecretRef") },
    });
  });
});

describe("results", () => {
  it("that cannot be fetched for a moment are fetched again, whatever the reason: they are paid for", async () => {
    world.claude.config.batchFaults = [
      { on: "retrieve", kind: "server_error", times: 2 },
      { on: "results", kind: "truncate", times: 2 },
      { on: "results", kind: "unauthorized" },
    ];
    const { client } = await start({}, { fetchAgainMs: 100 });
    await answeredOnce(await ask(client, ...numbered(3)));
  });
});

describe("a run that waits for its batch", () => {
  it("holds no worker, and does not run out of time", async () => {
    world.claude.config.batchMs = 1500;
    const { client, engine } = await start({ limits: { runTimeoutSeconds: 1 } });
    const runs = await ask(client, ...numbered(2));
    await waits(runs);
    expect(engine.active).toBe(0);
    await answeredOnce(runs);
  });

  it("ends at once when it is cancelled; its batch goes on for the others, and what it has cost is counted", async () => {
    world.claude.config.batchMs = 1500;
    const { client } = await start({}, together(2));
    const runs = await ask(client, ...numbered(2));
    await eventually(
      () => batches().length,
      (count) => count === 1,
      5,
      10,
    );
    const [one, two] = runs as typeof runs & [{ id: string }, { id: string }];
    await client.cancel(one.id);
    expect(states(await ended([one]))).toEqual(["cancelled"]);
    expect(Date.now()).toBeLessThan(batches()[0]?.endsAt ?? 0);
    expect(states(await ended([two]))).toEqual(["completed"]);
    await eventually(rows([one]), ([row]) => Number(row?.usd) > 0, 5, 20);
    const [counted, other] = await rows(runs)();
    expect(counted?.usd).toBe(other?.usd);
    const [day] = await world.sql<{ usd: string }>("SELECT sum(usd) AS usd FROM usage_daily WHERE agent = 'support'");
    const [sum] = await world.sql<{ usd: string }>("SELECT sum(usd) AS usd FROM runs WHERE agent = 'support'");
    expect(day?.usd).toBe(sum?.usd);
  });

  it("and is cancelled with all others takes its batch with it", async () => {
    world.claude.config.batchMs = 5000;
    const { client } = await start({}, together(2));
    const runs = await ask(client, ...numbered(2));
    await eventually(
      () => batches().length,
      (count) => count === 1,
      5,
      10,
    );
    await Promise.all(runs.map((it) => client.cancel(it.id)));
    expect(states(await ended(runs, 4))).toEqual(["cancelled"]);
    await eventually(
      () => batches()[0]?.cancelledAt,
      (at) => at !== undefined,
      5,
      20,
    );
  });

  it("goes on with its answer when the agent's mode has become Streaming meanwhile", async () => {
    world.claude.config.batchMs = 300;
    const first = await start({}, together(2));
    const runs = await ask(first.client, ...numbered(2));
    await eventually(
      () => batches().length,
      (count) => count === 1,
      5,
      10,
    );
    await first.stop(0);
    world.forget(first);
    await start({ mode: "Streaming" });
    await answeredOnce(runs);
    expect(world.claude.stats.modelCalls).toBe(0);
  });
});

describe("a budget", () => {
  const limited = async (room: number, settings: Partial<BatchSettings> = {}) => {
    const [row] = await world.sql<{ usd: string }>("SELECT coalesce(sum(usd), 0) AS usd FROM usage_daily");
    const usd = (Number(row?.usd) + room).toFixed(6);
    return start({ budget: { perDay: { usd } } }, { noRoomMs: 100, ...settings });
  };

  it("has room reserved for each answer before it is submitted: what does not fit beside the others waits for them", async () => {
    world.claude.config.batchMs = 300;
    const { client } = await limited(0.012); // one answer costs 0.009 at most, and next to nothing in fact
    await answeredOnce(await ask(client, ...numbered(3)));
    expect(batches().map((it) => it.entries.length)).toEqual([1, 1, 1]);
  });

  it("that has no room for an answer at all ends the run, and says which it is", async () => {
    const { client } = await limited(0.005);
    const [row] = await ended(await ask(client, "Hello"));
    expect(row).toMatchObject({
      state: "failed",
      error: { type: "budget_exceeded", message: expect.stringContaining("perDay") },
    });
    expect(batches()).toHaveLength(0);
  });
});
