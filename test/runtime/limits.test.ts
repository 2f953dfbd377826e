import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { clientOptions } from "../../src/database/connection.ts";
import { costOf } from "../../src/runtime/prices.ts";
import { eventually } from "../support/eventually.ts";
import { World } from "./fixture.ts";

let world: World;
beforeAll(async () => {
  world = await World.create();
}, 60_000);
afterAll(() => world.close());
beforeEach(() => world.fresh());
afterEach(async () => {
  await world.stopAgents();
  await world.sql(
    "DELETE FROM messages; DELETE FROM tool_executions; DELETE FROM runs; DELETE FROM sessions; DELETE FROM usage_daily",
  );
});

const usdOf = async (): Promise<number> => {
  const [row] = await world.sql<{ usd: string }>("SELECT coalesce(sum(usd), 0) AS usd FROM runs");
  return Number(row?.usd);
};

describe("a budget", () => {
  it("is not overspent by replicas that ask at the same time, and is used up to less than one call's reserve", async () => {
    world.claude.config.latencyMs = 30;
    const agent = { budget: { perDay: { usd: "0.20" } }, maxOutputTokens: 1024 };
    const pods = await Promise.all([world.start(agent), world.start(agent), world.start(agent)]);
    world.claude.config.replyText = "word ".repeat(800);
    const results = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const { client } = pods[i % 3] as (typeof pods)[0];
        return client.ask((await client.createSession()).id, "Hello");
      }),
    );
    const spent = await usdOf();
    const reserve = costOf("claude-sonnet-5-5", { input: 0, output: 1024, cacheRead: 0, cacheWrite: 1000 });
    expect(spent).toBeLessThanOrEqual(0.2);
    expect(spent).toBeGreaterThan(0.2 - reserve - 0.005);
    const refused = results.filter((it) => it.state === "failed");
    expect(refused.length).toBeGreaterThan(0);
    for (const { error } of refused) expect(error?.type).toBe("budget_exceeded");
  }, 60_000);

  it("counts what a run has spent before it is over", async () => {
    const { client } = await world.start({ budget: { perDay: { usd: "1" } } });
    const session = await client.createSession();
    await client.ask(session.id, "Hello");
    await world.sql(
      `INSERT INTO sessions (id, agent, user_id) VALUES ('00000000-0000-7000-8000-000000000001', 'other', 'u');
       INSERT INTO runs (id, session_id, agent, state, model, prompt, usd)
       VALUES ('00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-000000000001', 'other', 'awaiting_agent', 'm', 'p', 0.999)`,
    );
    await world.stopAgents(); // what was reserved before is given back
    const { client: fresh } = await world.start({ budget: { perDay: { usd: "1" } } });
    const refused = await fresh.ask((await fresh.createSession()).id, "Hello");
    expect(refused.error).toMatchObject({ type: "budget_exceeded" });
    expect(refused.error?.message).toContain("the tenant's budget.perDay.usd (1 USD)");
  });

  it("of a worker that died holds nobody up for longer than its lease", async () => {
    const budget = { perDay: { usd: "0.05" } };
    const { client } = await world.start({ budget });
    await world.sql(
      `INSERT INTO workers (id, agent, expires_at, reserved_usd)
       VALUES ('00000000-0000-7000-8000-0000000000aa', 'support', now() + interval '2 s', 0.05)`,
    );
    const started = Date.now();
    const { state } = await client.ask((await client.createSession()).id, "Hello");
    expect(state).toBe("completed");
    expect(Date.now() - started).toBeGreaterThan(1000);
  });

  it("of tokens counts cached input as input", async () => {
    await world.sql(
      `INSERT INTO usage_daily (day, agent, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens)
       VALUES ((now() AT TIME ZONE 'UTC')::date, 'cached', 'm', 10, 10, 9000000, 990000)`,
    );
    const { client } = await world.start({ name: "cached", agentBudget: { perDay: { tokens: 10_000_000 } } });
    const run = await client.ask((await client.createSession()).id, `Hello ${"x".repeat(40_000)}`);
    expect(run.error?.message).toContain("the agent's budget.perDay.tokens (10000000)");
  });

  it("of the agent, and of one run, hold as well, and say which", async () => {
    const { client } = await world.start({ agentBudget: { perDay: { tokens: 100 } } });
    const daily = await client.ask((await client.createSession()).id, "Hello");
    expect(daily.error?.message).toContain("the agent's budget.perDay.tokens (100)");
    const { client: other } = await world.start({ name: "other", agentBudget: { perRun: { usd: "0.001" } } });
    const run = await other.ask((await other.createSession()).id, "Hello");
    expect(run.error?.message).toContain("the agent's budget.perRun.usd (0.001 USD)");
  });
});

describe("limits", () => {
  it("refuses what is beyond the agent's own runs a minute", async () => {
    const { client } = await world.start({ limits: { runsPerMinute: 2 } });
    const session = await client.createSession();
    await client.ask(session.id, "Hello");
    await client.ask(session.id, "Hello");
    await expect(client.ask(session.id, "Hello")).rejects.toMatchObject({
      status: 429,
      detail: "the agent's limits.runsPerMinute (2) is reached",
      retryAfter: 30,
    });
  });

  it("bounds the sessions that one user opens in a minute, and nobody else's", async () => {
    const { url } = await world.start({ tenantLimits: { runsPerMinute: 1, concurrentRuns: 1 } });
    const open = async (user: string) => {
      const headers = { "content-type": "application/json", "x-user-id": user };
      const response = await fetch(`${url}/v1/sessions`, { method: "POST", headers, body: "{}" });
      await response.text();
      return response;
    };
    const seen = new Set<number>();
    for (let i = 0; i < 1200; i += 50)
      for (const { status } of await Promise.all(Array.from({ length: 50 }, () => open("ann")))) seen.add(status);
    expect([...seen]).toEqual([201]);
    const refused = await open("ann");
    expect([refused.status, refused.headers.get("content-type")]).toEqual([
      429,
      "application/problem+json; charset=utf-8",
    ]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await open("bob")).status).toBe(201);
  });

  it("bounds the queue: a run too many is refused with 429 and when to come again", async () => {
    world.claude.config.latencyMs = 3000;
    const { client } = await world.start({ limits: { concurrentRuns: 1, queuedRuns: 2 } });
    const start = async () => client.startRun((await client.createSession()).id, "Hello");
    const states = [(await start()).state, (await start()).state, (await start()).state];
    expect(states).toEqual(["running", "pending", "pending"]);
    await expect(start()).rejects.toMatchObject({ status: 429, retryAfter: 2 });
  });

  it("lets no more runs work at once than the tenant may have, whichever pods they came to", async () => {
    world.claude.config.latencyMs = 100;
    const agent = { tenantLimits: { runsPerMinute: 100_000, concurrentRuns: 3 } };
    const pods = await Promise.all([world.start(agent), world.start(agent)]);
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, pods[0].engine.active + pods[1].engine.active)), 5);
    await Promise.all(
      Array.from({ length: 24 }, async (_, i) => {
        const { client } = pods[i % 2] as (typeof pods)[0];
        expect((await client.ask((await client.createSession()).id, "Hello")).state).toBe("completed");
      }),
    );
    clearInterval(watch);
    expect(most).toBe(3); // statements of two pods that start runs may cross: then runs are put back before any work
  }, 30_000);

  it("holds it also when two pods start runs by statements that do not see each other", async () => {
    world.claude.config.latencyMs = 300;
    const agent = { tenantLimits: { runsPerMinute: 100_000, concurrentRuns: 1 } };
    const pods = await Promise.all([world.start(agent), world.start(agent)]);
    const sessions = await Promise.all(pods.map(({ client }) => client.createSession()));
    // Both statements wait for this transaction when they have counted what is at work, and go on together.
    const blocker = new Client(clientOptions(world.postgres.adminSettings(world.operatorDatabase), "test"));
    await blocker.connect();
    await blocker.query(`BEGIN; SET search_path = ${world.names.schema}, pg_temp`);
    for (const { id } of sessions)
      await blocker.query(
        "INSERT INTO runs (id, session_id, agent, state, model, prompt, idempotency_key) VALUES (gen_random_uuid(), $1, 'support', 'pending', '', '', 'key')",
        [id],
      );
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, pods[0].engine.active + pods[1].engine.active)), 5);
    const runs = pods.map(({ client }, i) => client.ask(sessions[i]?.id as string, "Hello", { idempotencyKey: "key" }));
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock'";
    await expect.poll(() => world.sql(waiting, [world.connection.user]), { timeout: 10_000 }).toHaveLength(2);
    await blocker.query("ROLLBACK");
    await blocker.end();
    for (const run of await Promise.all(runs)) expect(run.state).toBe("completed");
    clearInterval(watch);
    expect(most).toBe(1);
  }, 30_000);

  it("gives users turns: one that floods the queue does not hold up another", async () => {
    world.claude.config.latencyMs = 150;
    const { url } = await world.start({ limits: { concurrentRuns: 1 } });
    const as = async (user: string, message: string) => {
      const headers = { "content-type": "application/json", "x-user-id": user };
      const session = (await (await fetch(`${url}/v1/sessions`, { method: "POST", headers, body: "{}" })).json()) as {
        id: string;
      };
      await fetch(`${url}/v1/sessions/${session.id}/runs`, {
        method: "POST",
        headers,
        body: JSON.stringify({ message }),
      });
    };
    for (let i = 0; i < 16; i++) await as("flood", "Hello");
    await as("quiet", "Hello");
    const runs = await eventually(
      () =>
        world.sql<{ user_id: string; state: string; started_at: Date; created_at: Date }>(
          `SELECT user_id, state, started_at, runs.created_at FROM runs JOIN sessions s ON s.id = session_id ORDER BY started_at`,
        ),
      (rows) => rows.every((it) => it.state === "completed"),
    );
    const quiet = runs.find((it) => it.user_id === "quiet");
    const before = runs.filter(
      (it) => it.user_id === "flood" && quiet && it.started_at > quiet.created_at && it.started_at < quiet.started_at,
    );
    expect(before.length).toBeLessThanOrEqual(2);
  }, 30_000);

  it("gives agents of a tenant their share of its concurrent runs", async () => {
    world.claude.config.latencyMs = 400; // all of the flood takes 20 s and more
    const tenantLimits = { runsPerMinute: 100_000, concurrentRuns: 4 };
    const flood = await world.start({ name: "flood", tenantLimits });
    const quiet = await world.start({ name: "quiet", tenantLimits });
    const sessions = await Promise.all(Array.from({ length: 200 }, () => flood.client.createSession()));
    await Promise.all(sessions.map((it) => flood.client.startRun(it.id, "Hello")));
    await quiet.client.ask((await quiet.client.createSession()).id, "Hello");
    const [left] = await world.sql<{ count: string }>(
      "SELECT count(*) FROM runs WHERE state = 'pending' AND agent = 'flood'",
    );
    expect(Number(left?.count)).toBeGreaterThan(50);
  }, 30_000);
});
