import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { contentsOf } from "../../src/runtime/modules/contents.ts";
import type { ModuleHook } from "../../src/runtime/modules/interface.ts";
import { all, textOf, types, World } from "./fixture.ts";

let world: World;
beforeAll(async () => {
  world = await World.create();
  await world.data(
    `CREATE TABLE people AS SELECT 'Ada, ada@example.com, 5500 0000 0000 0004' AS line;
     CREATE TABLE notes (note text);
     GRANT SELECT, INSERT ON people, notes TO PUBLIC`,
  );
});
afterAll(() => world?.close());
beforeEach(() => world.fresh());
afterEach(() => world.stopAgents());

const EMAIL = "alice@example.com";
const CARD = "4111 1111 1111 1111";
const KEY = "sk-ant-api03-Zm9vYmFyYmF6cXV4";
/** What must not be found anywhere, however it is written. */
const PLANTED = /alice@|ada@example|4111 ?1111|5500 ?0000|Zm9vYmFy/;

const PEOPLE = { name: "people", description: "d", sql: { statement: "SELECT line FROM people" } };
const NOTE = {
  name: "note",
  description: "d",
  sql: {
    statement: "SELECT $1::text AS noted",
    parameters: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
  },
};

async function start(pii: "Redact" | "Block", change: Parameters<World["start"]>[0] = {}, hooks: ModuleHook[] = []) {
  const agent = await world.start(
    { pii, ...change },
    hooks.length ? { modules: [{ name: "m", ...contentsOf({ hooks }) }] } : {},
  );
  return { ...agent, session: await agent.client.createSession() };
}

/** All that the tenant's schema holds, as text. */
async function everything(): Promise<string> {
  const tables = ["sessions", "runs", "messages", "tool_executions", "audit", "message_archive", "usage_daily"];
  const rows = await Promise.all(tables.map((it) => world.sql(`SELECT * FROM ${it}`)));
  return JSON.stringify(rows);
}
const sent = () => JSON.stringify(world.claude.requests.map((it) => it.body));
const audit = async (sessionId: string) =>
  (
    await world.sql<{ record: string }>("SELECT record FROM audit WHERE record::jsonb->>'session' = $1 ORDER BY seq", [
      sessionId,
    ])
  ).map((it) => JSON.parse(it.record));
const counted = async (metrics: { registry: { metrics(): Promise<string> } }) =>
  (await metrics.registry.metrics()).split("\n").filter((it) => it.startsWith("agentpg_pii_findings_total"));

describe("Redact", () => {
  it("neither the model nor the database gets to see what a user, a tool or a model says of a person", async () => {
    await world.fresh({
      sayings: [
        {
          match: "who is it",
          content: [{ type: "tool_use", id: "toolu_p", name: "people", input: {} }],
          stopReason: "tool_use",
        },
        {
          match: "who is it",
          content: [
            { type: "text", text: "I note it. " },
            { type: "tool_use", id: "toolu_n", name: "note", input: { text: `write to ${EMAIL}` } },
          ],
          stopReason: "tool_use",
        },
        { match: "who is it", content: [{ type: "text", text: `Done: ${EMAIL}, ${CARD}.` }] },
      ],
    });
    const { client, session, metrics } = await start("Redact", { tools: [PEOPLE, NOTE] });
    await client.createSession({ mail: EMAIL });
    const events = await all(
      client.run(session.id, `I am ${EMAIL}, card ${CARD}, key ${KEY}: who is it?`, {
        variables: { mail: EMAIL, n: 1 },
      }),
    );
    expect(events.at(-1)).toMatchObject({ type: "run.completed", data: { response: "Done: [EMAIL], [CARD]." } });
    expect(textOf(events)).toBe("I note it. Done: [EMAIL], [CARD].");
    expect(JSON.stringify(events)).not.toMatch(PLANTED);
    expect(sent()).toContain("I am [EMAIL], card [CARD], key [SECRET]: who is it?");
    expect(sent()).toContain("Ada, [EMAIL], [CARD]");
    expect(sent()).not.toMatch(PLANTED);
    expect(await everything()).not.toMatch(PLANTED);
    expect(await world.sql("SELECT variables FROM runs WHERE session_id = $1", [session.id])).toEqual([
      { variables: { mail: "[EMAIL]", n: 1 } },
    ]);
    expect(await world.sql("SELECT input FROM tool_executions WHERE tool_use_id = 'toolu_n'")).toEqual([
      { input: { text: "write to [EMAIL]" } },
    ]);
    expect(await audit(session.id)).toMatchObject([
      { action: "message.checked", success: true, field: "variables", pii: { email: "1" } },
      { action: "message.checked", annotations: { "pii.email": "1", "pii.card": "1", "pii.secret": "1" } },
      { action: "tool.called", tool: "people", annotations: { "pii.email": "1", "pii.card": "1" } },
      { action: "answer.checked", pii: { email: "1" } },
      { action: "tool.called", tool: "note", input: { text: "write to [EMAIL]" } },
      { action: "answer.checked", pii: { email: "1", card: "1" } },
      { action: "run.completed" },
    ]);
    expect((await counted(metrics)).sort()).toEqual([
      'agentpg_pii_findings_total{kind="card",action="redacted"} 3',
      'agentpg_pii_findings_total{kind="email",action="redacted"} 6',
      'agentpg_pii_findings_total{kind="secret",action="redacted"} 1',
    ]);
  });

  it("an address that is split over the pieces of a stream is never told, and other text comes as it is written", async () => {
    const long = `${"All is well and nothing has happened here today. ".repeat(20)}Write to ${EMAIL} for more of this.`;
    await world.fresh({
      chunks: 300,
      chunkDelayMs: 1,
      sayings: [{ match: "news", content: [{ type: "text", text: long }] }],
    });
    const { client, session } = await start("Redact");
    const events = await all(client.run(session.id, "Any news?"));
    expect(textOf(events)).toBe(long.replace(EMAIL, "[EMAIL]"));
    expect(events.filter((it) => it.type === "text.delta").length).toBeGreaterThan(20);
  });

  it("what hooks of others bring in is redacted as well, and they see nothing that is kept away", async () => {
    let seen = "";
    const { client, session } = await start("Redact", {}, [
      {
        name: "theirs",
        beforeMessage: ({ text }) => {
          seen = text;
          return { action: "change", text: `${text} ${EMAIL}` };
        },
        afterMessage: ({ content }) => ({ action: "change", content: [...content, { type: "text", text: CARD }] }),
      },
    ]);
    const events = await all(client.run(session.id, `I am ${EMAIL}.`));
    expect(seen).toBe("I am [EMAIL].");
    expect(textOf(events)).toMatch(/\[CARD\]$/);
    expect(sent() + JSON.stringify(events) + (await everything())).not.toMatch(PLANTED);
  });

  it("a conversation of before the policy is redacted on its way to the model", async () => {
    const before = await world.start();
    const session = await before.client.createSession();
    await before.client.ask(session.id, `I am ${EMAIL}`);
    expect(sent()).toContain(EMAIL);
    await world.stopAgents();
    world.claude.reset();
    const { client } = await start("Redact");
    await client.ask(session.id, "Who am I?");
    expect(sent()).toContain("I am [EMAIL]");
    expect(sent()).not.toMatch(PLANTED);
  });

  it("holds for other agents, on both sides of the call", async () => {
    await world.fresh({
      rules: [
        { match: "^ask", tool: "researcher", input: { task: `about ${EMAIL}` }, answer: "It says: {{result}}" },
        { match: "^about (.+)", answer: `It is ${CARD}, $1` },
      ],
    });
    const researcher = { name: "researcher", description: "d", agent: { name: "researcher" } };
    await world.start({ name: "researcher" }); // no policy of its own
    const { client, session } = await start("Redact", { tools: [researcher] });
    const run = await client.ask(session.id, "Ask");
    expect(run.response).toBe("It says: It is [CARD], [EMAIL]");
    const own = await world.sql("SELECT content FROM messages WHERE session_id = $1", [session.id]);
    expect(JSON.stringify(own)).not.toMatch(PLANTED);
    expect(sent()).not.toContain(EMAIL);
    await world.stopAgents();
    world.claude.reset();
    const lax = await world.start({ tools: [researcher] });
    await start("Redact", { name: "researcher" }); // and the other way round
    const open = await lax.client.createSession();
    await lax.client.ask(open.id, "Ask");
    const asked = world.claude.requests.filter((it) => JSON.stringify(it.body).includes('"text":"about'));
    expect(JSON.stringify(asked.map((it) => it.body))).toContain("about [EMAIL]");
    expect(JSON.stringify(asked.map((it) => it.body))).not.toMatch(PLANTED);
  });

  it("holds in Batch mode", async () => {
    await world.fresh({ rules: [{ match: "mail", answer: `It is ${EMAIL}` }] });
    const agent = await world.start(
      { pii: "Redact", mode: "Batch" },
      { batch: { gatherMs: 20, pollMs: 30 }, pollMs: 50 },
    );
    const session = await agent.client.createSession();
    const run = await agent.client.ask(session.id, `my mail is ${EMAIL}`);
    expect(run.response).toBe("It is [EMAIL]");
    expect(JSON.stringify(await world.sql("SELECT * FROM messages WHERE session_id = $1", [session.id]))).not.toMatch(
      PLANTED,
    );
    expect(sent()).not.toMatch(PLANTED);
  });

  it("what the agent's author wrote into the prompt may be told", async () => {
    await world.fresh({
      sayings: [{ match: "help", content: [{ type: "text", text: `Help: help@acme.test, not ${EMAIL}` }] }],
    });
    const { client, session } = await start("Redact", { systemPrompt: `Say help@acme.test. Card ${CARD}.` });
    expect((await client.ask(session.id, "help")).response).toBe("Help: help@acme.test, not [EMAIL]");
  });
});

describe("Block", () => {
  it("a question with personal data is refused by kinds and places, and nothing of it is kept", async () => {
    const { client, session, metrics } = await start("Block");
    const refused = await client.startRun(session.id, `I am ${EMAIL}, card ${CARD}`).catch((it) => it);
    expect(refused).toMatchObject({
      status: 422,
      message: expect.stringContaining(
        "it holds personal data, which this agent does not take: email at 5 to 22, card at 29 to 48",
      ),
    });
    await expect(client.startRun(session.id, "Hi", { variables: { mail: EMAIL } })).rejects.toMatchObject({
      status: 422,
      message: expect.stringContaining("variables: it holds personal data, which this agent does not take: email"),
    });
    await expect(client.createSession({ mail: EMAIL })).rejects.toMatchObject({ status: 422 });
    expect(await world.sql("SELECT FROM runs WHERE session_id = $1", [session.id])).toEqual([]);
    expect(world.claude.requests.filter((it) => it.path === "/v1/messages")).toEqual([]);
    expect(await audit(session.id)).toMatchObject([
      { action: "message.checked", success: false, hook: "pii", annotations: { "pii.email": "1", "pii.card": "1" } },
      { action: "message.checked", success: false, field: "variables", pii: { email: "1" } },
    ]);
    expect(JSON.stringify(await audit(session.id)) + refused.message).not.toMatch(PLANTED);
    expect(await counted(metrics)).toContain('agentpg_pii_findings_total{kind="card",action="blocked"} 1');
  });

  it("a tool's result with personal data is an error to the model", async () => {
    const { client, session } = await start("Block", { tools: [PEOPLE] });
    expect((await client.ask(session.id, "USE_TOOL 1 people")).state).toBe("completed");
    expect(sent()).toContain("the output was withheld: it holds personal data (card, email)");
    expect(sent()).not.toMatch(PLANTED);
  });

  it("an answer with personal data ends the run, and what was streamed of it is taken back", async () => {
    await world.fresh({
      chunks: 100,
      sayings: [
        { match: "who", content: [{ type: "text", text: `It is well known to all of us here that ${EMAIL} is her.` }] },
      ],
    });
    const { client, session } = await start("Block");
    const events = await all(client.run(session.id, "who?"));
    expect(types(events)).toEqual(["run.started", "text.delta", "restarted", "run.failed"]);
    expect(textOf(events)).toBe("");
    expect(events.at(-1)?.data).toMatchObject({
      error: { type: "blocked", message: "the answer was withheld: it holds personal data (email)" },
    });
    expect(JSON.stringify(events) + JSON.stringify(await audit(session.id))).not.toMatch(PLANTED);
    expect((await client.ask(session.id, "And now?")).state).toBe("completed");
  });
});
