import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { contentsOf } from "../../src/runtime/modules/contents.ts";
import { defineHook, type ModuleHook } from "../../src/runtime/modules/interface.ts";
import { all, textOf, types, World } from "./fixture.ts";

let world: World;
beforeAll(async () => {
  world = await World.create();
});
afterAll(() => world?.close());
beforeEach(() => world.fresh());
afterEach(() => world.stopAgents());

/** An agent with these hooks, written as a user writes them. */
async function startWith(hooks: ModuleHook[], change: Parameters<World["start"]>[0] = {}) {
  const modules = [{ name: "checks", ...contentsOf({ hooks }) }];
  const agent = await world.start(change, { modules });
  return { ...agent, session: await agent.client.createSession() };
}
const lastRequest = () =>
  world.claude.requests.filter((it) => it.path === "/v1/messages").at(-1)?.body as {
    messages: { role: string; content: { type: string; text?: string; content?: string; is_error?: boolean }[] }[];
  };
const audit = async (sessionId: string) =>
  (
    await world.sql<{ record: string }>("SELECT record FROM audit WHERE record::jsonb->>'session' = $1 ORDER BY seq", [
      sessionId,
    ])
  ).map((it) => JSON.parse(it.record));
const counted = async (metrics: { registry: { metrics(): Promise<string> } }) =>
  (await metrics.registry.metrics()).split("\n").filter((it) => it.startsWith("agentpg_hooks_total"));
const stored = (sessionId: string) =>
  world.sql<{ role: string; content: unknown }>(
    "SELECT role, content FROM messages WHERE session_id = $1 ORDER BY seq",
    [sessionId],
  );

describe("beforeMessage", () => {
  it("keeps a question from being stored or sent, and tells the caller why", async () => {
    const { client, session, metrics } = await startWith([
      defineHook({
        name: "pii",
        beforeMessage: ({ text }) =>
          text.includes("secret")
            ? { action: "block", reason: "no secrets, please", annotations: { found: "1" } }
            : undefined,
      }),
    ]);
    await expect(client.startRun(session.id, "my secret is 42")).rejects.toMatchObject({
      status: 422,
      message: expect.stringContaining("blocked by hook pii: no secrets, please"),
    });
    expect(await world.sql("SELECT FROM runs WHERE session_id = $1", [session.id])).toEqual([]);
    expect(lastRequest()).toBeUndefined();
    expect(await audit(session.id)).toMatchObject([
      { action: "message.checked", success: false, hook: "pii", annotations: { "pii.found": "1" } },
    ]);
    expect((await client.ask(session.id, "Hello")).state).toBe("completed");
    expect(await counted(metrics)).toEqual([
      'agentpg_hooks_total{hook="pii",outcome="blocked"} 1',
      'agentpg_hooks_total{hook="pii",outcome="allowed"} 1',
    ]);
  });

  it("changes what is stored and sent; each hook sees what the one before it made", async () => {
    const { client, session } = await startWith([
      { name: "first", beforeMessage: ({ text }) => ({ action: "change", text: text.replace("4111", "****") }) },
      {
        name: "second",
        beforeMessage: async ({ text }, { userId }) => ({ action: "change", text: `${text} (${userId})` }),
      },
    ]);
    const { runId } = await client.ask(session.id, "Card 4111");
    expect(lastRequest()?.messages.at(-1)?.content[0]?.text).toBe("Card **** (anonymous)");
    expect((await stored(session.id))[0]?.content).toEqual([{ type: "text", text: "Card **** (anonymous)" }]);
    expect(await audit(session.id)).toMatchObject([
      { action: "message.checked", changed: true, run: runId },
      { action: "run.completed", run: runId },
    ]);
  });

  it("is not asked for a session that does not exist", async () => {
    const { client } = await startWith([{ name: "all", beforeMessage: () => ({ action: "block", reason: "no" }) }]);
    const nobodys = "0190aaaa-0000-7000-8000-000000000000";
    await expect(client.startRun(nobodys, "Hello")).rejects.toMatchObject({ status: 404 });
  });

  const FAULTS: [string, unknown, string][] = [
    ["throws", () => Promise.reject(new Error("inside: 10.0.0.1")), "the hook failed"],
    ["hangs", () => new Promise(() => {}), "the hook took longer than 0.1 s"],
    ["gives back no verdict", () => ({ action: "redact", text: "x" }), "the hook failed"],
    ["gives back a change that is none", () => ({ action: "change", text: 3 }), "the hook failed"],
  ];
  it.each(FAULTS)("blocks when a hook %s, or lets pass when it is to", async (_what, hook, why) => {
    const bad = (name: string, onFailure: "Allow" | "Block") =>
      ({ name, onFailure, timeoutSeconds: 0.1, beforeMessage: hook }) as ModuleHook;
    const { client, session } = await startWith([bad("lenient", "Allow"), bad("strict", "Block")]);
    await expect(client.startRun(session.id, "Hello")).rejects.toMatchObject({
      status: 422,
      message: expect.stringContaining(`blocked by hook strict: ${why}`),
    });
    expect((await audit(session.id))[0]).toMatchObject({
      annotations: { "lenient.failure": why, "strict.failure": why },
    });
  });
});

describe("afterMessage", () => {
  const answer = { rules: [{ match: "card", answer: "Your card is 4111." }] };
  const mask: ModuleHook = {
    name: "mask",
    afterMessage: ({ content }) => ({
      action: "change",
      content: content.map((it) =>
        it.type === "text" ? { ...it, text: String(it.text).replace("4111", "****") } : it,
      ),
      annotations: { cards: "1" },
    }),
  };

  it("changes an answer before anybody reads it", async () => {
    await world.fresh(answer);
    const { client, session } = await startWith([mask]);
    const events = await all(client.run(session.id, "Which card?"));
    expect(JSON.stringify(events)).not.toContain("4111");
    expect(textOf(events)).toBe("Your card is ****.");
    expect(events.at(-1)).toMatchObject({ type: "run.completed", data: { response: "Your card is ****." } });
    expect(JSON.stringify(await stored(session.id))).not.toContain("4111");
    expect(await audit(session.id)).toMatchObject([
      { action: "answer.checked", changed: true, annotations: { "mask.cards": "1" } },
      { action: "run.completed" },
    ]);
  });

  it("ends the run when it blocks the answer, which nobody gets to read", async () => {
    await world.fresh(answer);
    const { client, session } = await startWith([
      { name: "stop", afterMessage: () => ({ action: "block", reason: "it names a card" }) },
    ]);
    const events = await all(client.run(session.id, "Which card?"));
    expect(types(events)).toEqual(["run.started", "run.failed"]);
    expect(events.at(-1)?.data).toMatchObject({
      error: { type: "blocked", message: "the answer was blocked by hook stop: it names a card" },
    });
    expect((await stored(session.id)).map((it) => it.role)).toEqual(["user"]);
    expect((await client.ask(session.id, "Again")).state).toBe("failed"); // the session is free for the next question
    expect(world.claude.stats.rejected).toBe(0);
  });

  it("cannot change what has to go back to the model as it came", async () => {
    const { client, session } = await startWith(
      [{ name: "bad", afterMessage: () => ({ action: "change", content: [{ type: "text", text: "no calls" }] }) }],
      { tools: [{ name: "one", description: "d", sql: { statement: "SELECT 1 AS one" } }] },
    );
    expect(await client.ask(session.id, "USE_TOOL 1 one")).toMatchObject({
      state: "failed",
      error: { type: "blocked", message: "the answer was blocked by hook bad: the hook failed" },
    });
  });
});

describe("tool calls and tasks for other agents", () => {
  const one = {
    name: "one",
    description: "d",
    sql: {
      statement: "SELECT $1::int AS n",
      parameters: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
    },
  };
  const lastResult = () => lastRequest()?.messages.at(-1)?.content[0];

  it("are made with the input as a hook changed it, and read as a hook left it", async () => {
    const { client, session } = await startWith(
      [
        {
          name: "check",
          beforeToolCall: ({ input }) => ({
            action: "change",
            input: { n: Number(input["n"]) + 41 },
            annotations: { by: "41" },
          }),
          afterToolCall: ({ outcome, input }) => ({
            action: "change",
            outcome: { ...outcome, output: `${outcome.output} of ${JSON.stringify(input)}` },
          }),
        },
      ],
      { tools: [one] },
    );
    expect((await client.ask(session.id, "USE_TOOL 1 one")).state).toBe("completed");
    expect(lastResult()?.content).toBe('[{"n":42}] of {"n":42}');
    expect((await audit(session.id))[0]).toMatchObject({ action: "tool.called", annotations: { "check.by": "41" } });
  });

  it("are not made when a hook blocks them, or their output is withheld", async () => {
    await world.data("CREATE TABLE IF NOT EXISTS nothing (n int)");
    const { client, session } = await startWith(
      [
        {
          name: "early",
          beforeToolCall: ({ tool }) => (tool === "never" ? { action: "block", reason: "not now" } : undefined),
        },
        { name: "late", afterToolCall: () => ({ action: "block", reason: "too much" }) },
      ],
      { tools: [one, { ...one, name: "never" }] },
    );
    await client.ask(session.id, "USE_TOOL 1 never");
    expect(lastResult()).toMatchObject({ is_error: true, content: "blocked by hook early: not now" });
    await client.ask(session.id, "USE_TOOL 1 one");
    expect(lastResult()).toMatchObject({
      is_error: true,
      content: expect.stringContaining("withheld by hook late: too much"),
    });
  });

  it("are changed or blocked before the other agent's run is stored", async () => {
    const { client, session } = await startWith(
      [
        {
          name: "task",
          beforeMessage: ({ text, delegatedTo }) =>
            delegatedTo === null
              ? undefined
              : text.includes("1")
                ? { action: "change", text: `for ${delegatedTo}: hidden` }
                : { action: "block", reason: "no second one" },
        },
      ],
      { tools: [{ name: "ask", description: "d", agent: { name: "other" } }] },
    );
    await world.start({ name: "other" });
    expect((await client.ask(session.id, "USE_TOOL 2 ask")).state).toBe("completed");
    expect(await world.sql("SELECT prompt FROM runs WHERE agent = 'other'")).toEqual([{ prompt: "for other: hidden" }]);
    expect(lastResult()).toMatchObject({ is_error: true, content: "the task was blocked by hook task: no second one" });
    expect(await audit(session.id)).toMatchObject([
      { action: "message.checked", to: "other", changed: true },
      { action: "agent.asked" },
      { action: "tool.called" },
      { action: "message.checked", to: "other", success: false, hook: "task" },
      { action: "tool.called", success: false },
      { action: "run.completed" },
    ]);
  });
});
