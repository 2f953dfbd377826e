import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FaultKind } from "../support/simulated-claude/config.ts";
import { tokensInAll } from "../../src/database/runs/run.ts";
import { all, textOf, World } from "./fixture.ts";

let world: World;
beforeAll(async () => {
  world = await World.create();
});
afterAll(() => world?.close());
beforeEach(async () => {
  await world.fresh({ replyText: "one two three four five", chunks: "words" });
  await world.anthropic.publish({ "api-key": "sk-ant-test-0001" });
});
afterEach(() => world.stopAgents());

const statusOf = async (port: number) =>
  (await (await fetch(`http://127.0.0.1:${port}/status`)).json()) as {
    model: { verified: unknown; reason: unknown };
    apiKey: { fingerprint: string; present: boolean };
    readiness: { ready: boolean; reasons: string[] };
  };

describe("a stream that breaks", () => {
  it.each<FaultKind>(["truncate", "stall", "malformed_sse", "reset", "error_event"])(
    "by %s is asked for again, and only the whole answer is kept",
    async (kind) => {
      world.claude.config.faults = [{ kind, first: 2, afterEvents: 5 }];
      const { client } = await world.start();
      const session = await client.createSession();
      const events = await all(client.run(session.id, "Hello"));
      expect(events.filter((it) => it.type === "restarted")).toHaveLength(2);
      expect(textOf(events)).toBe("one two three four five");
      expect(events.at(-1)).toMatchObject({ type: "run.completed", data: { response: "one two three four five" } });
      expect((await client.messages(session.id)).items).toHaveLength(2);
    },
  );

  it("again and again fails the run, with nothing kept of it", async () => {
    world.claude.config.faults = [{ kind: "truncate", every: 1 }];
    const { client } = await world.start();
    const session = await client.createSession();
    expect(await client.ask(session.id, "Hello")).toMatchObject({
      state: "failed",
      response: null,
      error: { type: "stream_interrupted" },
    });
    expect((await client.messages(session.id)).items.map((it) => it.role)).toEqual(["user"]);
    world.claude.config.faults = [];
    expect((await client.ask(session.id, "Hello again")).state).toBe("completed");
  });
});

describe("an answer that does not come to its end", () => {
  afterAll(() => world.sql("DELETE FROM usage_daily")); // the budgets of other tests begin with nothing spent
  const QUESTION = "x ".repeat(1000);
  const tokensOf = async (id: string) => {
    const [run] = await world.sql<{ state: string; input: number; output: number; usd: number }>(
      "SELECT state, input_tokens::int AS input, output_tokens::int AS output, usd::float8 AS usd FROM runs WHERE id = $1",
      [id],
    );
    return run;
  };
  /** What an answer costs that comes whole, in tokens of input. */
  const inputOf = async (agent: Awaited<ReturnType<World["start"]>>) =>
    (await agent.client.ask((await agent.client.createSession()).id, QUESTION)).tokens.input;
  /** A run whose answer has begun and takes minutes. */
  const begun = async ({ client }: Awaited<ReturnType<World["start"]>>) => {
    world.claude.config = { ...world.claude.config, replyText: "word ".repeat(1000), chunkDelayMs: 100 };
    const session = await client.createSession();
    for await (const event of client.run(session.id, QUESTION)) {
      if (event.type === "text.delta") break;
    }
    const [run] = await world.sql<{ id: string }>("SELECT id FROM runs WHERE session_id = $1", [session.id]);
    return { sessionId: session.id, id: run?.id as string };
  };

  it("for the run was cancelled has cost its input, and what came of it, in all books", async () => {
    const agent = await world.start();
    const input = await inputOf(agent);
    const spentBefore = await world.sql<{ input: number }>("SELECT sum(input_tokens)::int AS input FROM usage_daily");
    const { id } = await begun(agent);
    await agent.client.cancel(id);
    await expect.poll(() => tokensOf(id)).toMatchObject({ state: "cancelled", input });
    const run = await tokensOf(id);
    expect(run?.output).toBeGreaterThan(1);
    expect(run?.output).toBeLessThan(500);
    expect(run?.usd).toBeGreaterThan(0);
    const spent = await world.sql<{ input: number }>("SELECT sum(input_tokens)::int AS input FROM usage_daily");
    expect(Number(spent[0]?.input) - Number(spentBefore[0]?.input)).toBe(input);
    const [line] = await world.sql<{ record: string }>(
      "SELECT record FROM audit WHERE record LIKE '%run.cancelled%' ORDER BY seq DESC LIMIT 1",
    );
    expect(JSON.parse(line?.record ?? "{}")).toMatchObject({ run: id, tokens: { input, output: run?.output } });
    const metrics = await (await fetch(`http://127.0.0.1:${agent.metricsPort}/metrics`)).text();
    expect(metrics).toMatch(new RegExp(`agentpg_model_tokens_total\\{type="input",[^}]*\\} ${2 * input}\n`));
  });

  it("for the run took too long has cost as much", async () => {
    const agent = await world.start({ limits: { runTimeoutSeconds: 2 } });
    const input = await inputOf(agent);
    const { id } = await begun(agent);
    await expect.poll(() => tokensOf(id), { timeout: 10_000 }).toMatchObject({ state: "failed", input });
  });

  it("for its process has ended has cost as much, beside the answer that another process is given", async () => {
    const first = await world.start();
    const input = await inputOf(first);
    const { id } = await begun(first);
    world.forget(first);
    await first.stop(0);
    const released = await tokensOf(id);
    expect(released).toMatchObject({ state: "running", input });
    world.claude.config = { ...world.claude.config, replyText: "done", chunkDelayMs: 0 };
    await world.start();
    await expect.poll(() => tokensOf(id), { timeout: 10_000 }).toMatchObject({ state: "completed", input: 2 * input });
    expect((await tokensOf(id))?.output).toBeGreaterThan(released?.output ?? 0);
  });

  it("but is asked for again is paid for as often as it began", async () => {
    const { client } = await world.start();
    const ask = async () => (await client.ask((await client.createSession()).id, QUESTION)).tokens;
    const once = await ask();
    const asked = world.claude.stats.modelCalls;
    world.claude.config.faults = [{ kind: "truncate", at: [asked + 1, asked + 2], afterEvents: 5 }];
    const thrice = await ask();
    expect(thrice.input).toBe(3 * once.input);
    expect(thrice.output).toBeGreaterThanOrEqual(once.output + 2);
    world.claude.config.faults = [{ kind: "overloaded", match: "x x", times: 2, retryAfter: 0.05 }];
    expect(await ask()).toEqual(once); // a request that is refused costs nothing
  });

  it("is asked for again only while the budget has room for all of it", async () => {
    world.claude.config.faults = [{ kind: "truncate", every: 1, afterEvents: 5 }];
    const worst = Math.ceil(QUESTION.length / 3) + 2000; // of one attempt, with 1024 tokens of output and what goes with the question
    const limited = { perRun: { tokens: worst } };
    const { client } = await world.start({ agentBudget: limited });
    const before = world.claude.stats.modelCalls;
    const run = await client.ask((await client.createSession()).id, QUESTION);
    expect(run).toMatchObject({ state: "failed", error: { type: "budget_exceeded" } });
    expect(world.claude.stats.modelCalls - before).toBeLessThan(5);
    expect(tokensInAll(run.tokens)).toBeGreaterThan(0);
    expect(tokensInAll(run.tokens)).toBeLessThanOrEqual(worst);
  });

  it("holds up nobody whose budget has no room for another attempt: the run fails at once", async () => {
    world.claude.config.faults = [{ kind: "truncate", every: 1, afterEvents: 5 }];
    const worst = Math.ceil(QUESTION.length / 3) + 2000;
    const { client } = await world.start({ name: "daily", agentBudget: { perDay: { tokens: worst } } });
    const begun = Date.now();
    const run = await client.ask((await client.createSession()).id, QUESTION);
    expect(run.error?.message).toContain("the agent's budget.perDay.tokens");
    expect(Date.now() - begun).toBeLessThan(15_000); // others' reserves would be waited for, for 20 s
    expect(tokensInAll(run.tokens)).toBeLessThanOrEqual(worst);
  });
});

describe("an API that says no", () => {
  it.each<FaultKind>(["rate_limit", "overloaded", "server_error"])(
    "%s is waited out, longer than the SDK would",
    async (kind) => {
      world.claude.config.faults = [{ kind, first: 4, retryAfter: 0.05 }];
      const { client } = await world.start();
      const session = await client.createSession();
      expect((await client.ask(session.id, "Hello")).state).toBe("completed");
      expect(world.claude.stats.faults[kind]).toBe(4);
    },
  );

  it("to the key fails the run with a reason, and shows in /status", async () => {
    await world.anthropic.publish({ "api-key": "sk-ant-bad" });
    const { client, metricsPort } = await world.start();
    const session = await client.createSession();
    expect(await client.ask(session.id, "Hello")).toMatchObject({
      state: "failed",
      error: { type: "api_key_refused", message: expect.stringContaining("the Anthropic API key was refused") },
    });
    expect((await statusOf(metricsPort)).model).toMatchObject({ verified: false, reason: "KeyRefused" });
    expect(await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()).toMatch(
      /agentpg_model_errors_total\{type="api_key_refused"\} [1-9]/,
    );
  });

  it("to the model shows in /status before anyone has asked anything", async () => {
    const { client, metricsPort } = await world.start({ model: "gpt-9" });
    await expect
      .poll(async () => (await statusOf(metricsPort)).model)
      .toMatchObject({ verified: false, reason: "UnknownModel" });
    expect((await statusOf(metricsPort)).readiness).toEqual({ ready: false, reasons: ["the model does not exist"] });
    const session = await client.createSession();
    expect(await client.ask(session.id, "Hello")).toMatchObject({ state: "failed", error: { type: "unknown_model" } });
  });
});

describe("a changed key", () => {
  it("is in use within seconds, and no run fails for it", async () => {
    const { client, metricsPort } = await world.start();
    const session = await client.createSession();
    await client.ask(session.id, "Hello");
    const before = (await statusOf(metricsPort)).apiKey.fingerprint;
    await world.anthropic.publish({ "api-key": "sk-ant-test-0002" });
    world.claude.config.goodKeys = ["sk-ant-test-0002"]; // the old one is refused from now on
    expect((await client.ask(session.id, "Hello")).state).toBe("completed");
    expect((await statusOf(metricsPort)).apiKey.fingerprint).not.toBe(before);
    expect(world.claude.stats.keys["0002"]).toBeGreaterThan(0);
  });

  it("to nothing leaves the last one in use, but is told", async () => {
    const { client, metricsPort } = await world.start();
    await world.anthropic.publish({ "api-key": "" });
    await expect.poll(async () => (await statusOf(metricsPort)).apiKey.present, { timeout: 5000 }).toBe(false);
    expect((await statusOf(metricsPort)).readiness).toEqual({ ready: false, reasons: ["there is no API key"] });
    const session = await client.createSession();
    expect((await client.ask(session.id, "Hello")).state).toBe("completed");
  });
});

describe("the budget", () => {
  it("stops a run before the call that could overrun it, and says which and until when", async () => {
    const { client } = await world.start({ budget: { perDay: { usd: "0.03" }, perMonth: { usd: "100" } } });
    const session = await client.createSession();
    expect((await client.ask(session.id, "Hello")).state).toBe("completed");
    world.claude.config.replyText = "REPLY ".repeat(3000);
    await client.ask(session.id, "Hello");
    const refused = await client.ask(session.id, "Hello");
    expect(refused).toMatchObject({ state: "failed", error: { type: "budget_exceeded" } });
    expect(refused.error?.message).toMatch(
      /budget\.perDay\.usd \(0\.03 USD\) would be exceeded; it resets at \d{4}-\d\d-\d\dT00:00:00\.000Z/,
    );
    const [usage] = await world.sql<{ runs: string; usd: string }>(
      "SELECT sum(runs) AS runs, sum(usd) AS usd FROM usage_daily WHERE model = 'claude-sonnet-5-5'",
    );
    expect(Number(usage?.usd)).toBeGreaterThan(0);
  });
});
