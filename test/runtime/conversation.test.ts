import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { clientOptions } from "../../src/database/connection.ts";
import type { ReceivedEvent } from "../../src/runtime/client.ts";
import { all, textOf, types, World } from "./fixture.ts";

let world: World;
beforeAll(async () => {
  world = await World.create();
});
afterAll(() => world?.close());
beforeEach(() => world.fresh());
afterEach(() => world.stopAgents());

describe("a conversation", () => {
  it("is remembered from one question to the next", async () => {
    const { client } = await world.start();
    const session = await client.createSession({ topic: "orders" });
    await client.ask(session.id, "My cat is called Minka.");
    const answer = await client.ask(session.id, "What did I tell you first?");
    expect(answer.response).toContain("My cat is called Minka.");
    const { items } = await client.messages(session.id);
    expect(items.map((it) => it.role)).toEqual(["user", "assistant", "user", "assistant"]);
    expect(items.map((it) => it.seq)).toEqual([1, 2, 3, 4]);
  });

  it("streams its text in order, with ids, and ends with the whole answer", async () => {
    await world.fresh({ chunks: "words", replyText: "one two three four" });
    const { client } = await world.start();
    const session = await client.createSession();
    const events = await all(client.run(session.id, "Hello"));
    expect(types(events)).toEqual(["run.started", "text.delta", "run.completed"]);
    expect(textOf(events)).toBe("one two three four");
    expect(events.filter((it) => it.type === "text.delta").map((it) => it.id)).toEqual(["1.1", "1.2", "1.3", "1.4"]);
    const last = events.at(-1);
    expect(last?.type === "run.completed" && last.data).toMatchObject({
      response: "one two three four",
      stopReason: "end_turn",
    });
  });

  it("ends with what it cost, to as many places as are stored", async () => {
    const one = { name: "one", description: "One.", sql: { statement: "select 1 as one" } };
    const { client } = await world.start({ tools: [one] });
    const session = await client.createSession();
    for (let question = 0; question < 5; question++) {
      const { runId, usd } = await client.ask(session.id, "USE_TOOL 5 one");
      expect(usd).toBe(Number((await client.getRun(runId)).usd));
    }
  });

  it("tells the whole answer although it cannot be stored yet, and its end once it is", async () => {
    await world.fresh({ latencyMs: 300 });
    const { client } = await world.start();
    const session = await client.createSession();
    const locker = new Client(clientOptions(world.postgres.adminSettings(world.operatorDatabase), "locker"));
    await locker.connect();
    const heard: string[] = [];
    for await (const event of client.run(session.id, "Hello")) {
      heard.push(event.type);
      if (event.type === "run.started") {
        await locker.query("BEGIN");
        await locker.query(`LOCK TABLE "${world.names.schema}".messages IN ACCESS EXCLUSIVE MODE`);
      }
      if (event.type === "text.delta") await locker.query("COMMIT"); // it would never come to an end without
    }
    await locker.end();
    expect([...new Set(heard)]).toEqual(["run.started", "text.delta", "run.completed"]);
  });

  it("answers 202 with a place to look, and the run is written before that", async () => {
    await world.fresh({ latencyMs: 300 });
    const { client, url } = await world.start();
    const session = await client.createSession();
    const response = await fetch(`${url}/v1/sessions/${session.id}/runs`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ message: "Hello" }),
    });
    expect(response.status).toBe(202);
    const { id } = (await response.json()) as { id: string };
    expect(response.headers.get("location")).toBe(`/v1/runs/${id}`);
    expect(await world.sql("SELECT state, prompt FROM runs WHERE id = $1", [id])).toEqual([
      { state: "running", prompt: "Hello" },
    ]);
    const events = await all(client.events(id));
    expect(events.at(-1)?.type).toBe("run.completed");
    expect(await client.getRun(id)).toMatchObject({ state: "completed", response: "All done.", tokens: { output: 3 } });
  });

  it("gives the events of a finished run again", async () => {
    const { client } = await world.start();
    const session = await client.createSession();
    const { runId } = await client.ask(session.id, "Hello");
    const events = await all(client.events(runId));
    expect(types(events)).toEqual(["run.started", "text.delta", "run.completed"]);
    expect(textOf(events)).toBe("All done.");
  });

  it("goes on after a client has gone away", async () => {
    await world.fresh({ chunks: "words", chunkDelayMs: 20, replyText: "one two three four five six" });
    const { client } = await world.start();
    const session = await client.createSession();
    const gone = new AbortController();
    let id = "";
    try {
      for await (const event of client.run(session.id, "Hello", { signal: gone.signal })) {
        if (event.type === "run.started") id = event.data.runId;
        if (event.type === "text.delta") gone.abort();
      }
    } catch {}
    expect(id).not.toBe("");
    expect((await all(client.events(id))).at(-1)).toMatchObject({
      type: "run.completed",
      data: { response: "one two three four five six" },
    });
  });

  it("does one thing at a time: a second question waits for the first", async () => {
    await world.fresh({ latencyMs: 200 });
    const { client } = await world.start();
    const session = await client.createSession();
    const first = await client.startRun(session.id, "First question");
    const second = all(client.run(session.id, "What did I ask first?"));
    expect(types(await second)).toEqual(["run.queued", "run.started", "text.delta", "run.completed"]);
    expect(textOf(await second)).toContain("First question");
    expect((await client.getRun(first.id)).state).toBe("completed");
    expect((await client.messages(session.id)).items.map((it) => it.role)).toEqual([
      "user",
      "assistant",
      "user",
      "assistant",
    ]);
  });

  it("tells whoever comes again after run.queued that the run has started, and once only", async () => {
    await world.fresh({ latencyMs: 200 });
    const { client } = await world.start();
    const session = await client.createSession();
    const first = await client.startRun(session.id, "First question");
    let queued: ReceivedEvent | undefined;
    for await (queued of client.run(session.id, "Second question")) break;
    expect(queued).toMatchObject({ type: "run.queued", id: "" });
    const runId = queued?.type === "run.queued" ? queued.data.runId : "";
    const rest = await all(client.events(runId, { lastEventId: queued?.id ?? "" }));
    expect(types(rest)).toEqual(["run.started", "text.delta", "run.completed"]);
    const started = rest[0]?.id ?? "";
    expect(types(await all(client.events(runId, { lastEventId: started })))).toEqual(["text.delta", "run.completed"]);
    expect((await client.getRun(first.id)).state).toBe("completed");
  });

  it("takes one idempotency key for one run", async () => {
    const { client } = await world.start();
    const session = await client.createSession();
    const first = await client.startRun(session.id, "Hello", { idempotencyKey: "k1" });
    const again = await client.startRun(session.id, "Hello", { idempotencyKey: "k1" });
    expect(again.id).toBe(first.id);
    await expect(client.startRun(session.id, "Another", { idempotencyKey: "k1" })).rejects.toMatchObject({
      status: 422,
    });
    expect(await world.sql("SELECT count(*)::int AS runs FROM runs WHERE session_id = $1", [session.id])).toEqual([
      { runs: 1 },
    ]);
  });

  it("sends thinking back unchanged, and asks for caching of the system prompt", async () => {
    const { client } = await world.start();
    const session = await client.createSession();
    await client.ask(session.id, "THINK about it");
    const answer = await client.ask(session.id, "And now?");
    expect(answer.state).toBe("completed");
    const body = world.claude.requests.filter((it) => it.path === "/v1/messages").at(-1)?.body as {
      messages: { content: object[] }[];
      system: object[];
    };
    expect(body.messages[1]?.content[0]).toEqual({
      type: "thinking",
      thinking: "Let me think.",
      signature: expect.any(String),
    });
    expect(body.system).toEqual([{ type: "text", text: "You help.", cache_control: { type: "ephemeral" } }]);
  });

  it("stores text that Postgres cannot hold as it is", async () => {
    const { client } = await world.start();
    const session = await client.createSession();
    const answer = await client.ask(session.id, `nul \u0000 and half a pair \ud800 end`);
    expect(answer.state).toBe("completed");
  });

  it("is cancelled in the middle of a stream, and can be gone on with", async () => {
    await world.fresh({ chunks: "words", chunkDelayMs: 50, replyText: "a ".repeat(100) });
    const { client } = await world.start();
    const session = await client.createSession();
    const seen: string[] = [];
    for await (const event of client.run(session.id, "Hello")) {
      if (event.type === "run.started") setTimeout(() => void client.cancel(event.data.runId), 200);
      seen.push(event.type);
    }
    expect(seen.at(-1)).toBe("run.cancelled");
    await world.fresh();
    expect((await client.ask(session.id, "Again")).state).toBe("completed");
  });

  it("is cancelled while it waits in the queue", async () => {
    await world.fresh({ latencyMs: 500 });
    const { client } = await world.start();
    const session = await client.createSession();
    await client.startRun(session.id, "First");
    const second = await client.startRun(session.id, "Second");
    expect(second.state).toBe("pending");
    expect((await client.cancel(second.id)).state).toBe("cancelled");
  });

  it("fails with a reason when it takes too long", async () => {
    await world.fresh({ faults: [{ kind: "hang", first: 5 }] });
    const { client } = await world.start({ limits: { runTimeoutSeconds: 1 } });
    const session = await client.createSession();
    expect(await client.ask(session.id, "Hello")).toMatchObject({ state: "failed", error: { type: "timeout" } });
  });

  it("is written to a chain of audit lines that can be recomputed", async () => {
    const { client } = await world.start();
    const sessions = await Promise.all(Array.from({ length: 20 }, () => client.createSession()));
    await Promise.all(sessions.map((it) => client.ask(it.id, "Hello")));
    const broken = await world.sql(
      `SELECT a.seq FROM audit a LEFT JOIN audit p ON p.seq = a.seq - 1
       WHERE a.hash <> sha256(a.prev_hash || convert_to(a.record, 'UTF8')) OR (a.seq > 1 AND a.prev_hash IS DISTINCT FROM p.hash)`,
    );
    expect(broken).toEqual([]);
    const [head] = await world.sql<{ ok: boolean }>(
      "SELECT h.hash = a.hash AND h.seq = a.seq AS ok FROM audit_head h, (SELECT * FROM audit ORDER BY seq DESC LIMIT 1) a",
    );
    expect(head?.ok).toBe(true);
  });
});

describe("the stream of a run that waits", () => {
  it("that is erased ends without a last event, and says when to ask what became of it", async () => {
    world.claude.config.latencyMs = 3000;
    const { client, url } = await world.start({ tenantLimits: { runsPerMinute: 100_000, concurrentRuns: 1 } });
    await client.startRun((await client.createSession()).id, "Hello");
    const { id } = await client.startRun((await client.createSession()).id, "Hello too");
    const stream = await fetch(`${url}/v1/runs/${id}/events`, { headers: { accept: "text/event-stream" } });
    await world.sql("DELETE FROM runs WHERE id = $1", [id]);
    expect(await stream.text()).toMatch(/retry: 2000\n\n$/);
    expect((await fetch(`${url}/v1/runs/${id}`)).status).toBe(404);
  });
});
