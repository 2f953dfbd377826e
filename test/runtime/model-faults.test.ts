import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FaultKind } from "../support/simulated-claude/config.ts";
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
