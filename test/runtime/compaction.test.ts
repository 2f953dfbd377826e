import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { clientOptions } from "../../src/database/connection.ts";
import { TranscriptCipher } from "../../src/database/encryption/cipher.ts";
import { type DataKeys, dataKeyFiles } from "../../src/database/encryption/data-keys.ts";
import { decodeRow } from "../../src/database/encryption/rows.ts";
import type { RunStep } from "../../src/database/runs/apply-steps.ts";
import { compactConversation } from "../../src/database/runs/compact-conversation.ts";
import { AgentDatabase } from "../../src/database/runs/database.ts";
import type { StoredMessage } from "../../src/database/runs/run.ts";
import { writeCompaction } from "../../src/runtime/compaction/create-compactor.ts";
import { SUMMARY_MARK } from "../../src/runtime/compaction/summary.ts";
import { costOf } from "../../src/runtime/prices.ts";
import { aStep } from "../database/lifecycle-fixture.ts";
import { type AgentProcess, startProcess } from "./agent-process.ts";
import { all, SecretVolume, textOf, types, World } from "./fixture.ts";

const MODEL = "claude-sonnet-5-5";
const WINDOW = 4000;
/** Answers with 2000 characters: 500 tokens, as the simulated endpoint counts. */
const LOOK = { name: "look", description: "Looks.", sql: { statement: "SELECT repeat('walnut ', 300) AS found" } };
const AGENT = {
  maxOutputTokens: 256,
  limits: { maxIterations: 100 },
  compaction: { triggerRatio: 0.8, targetTokens: 1500, preserveLast: 2, protectedTokens: 300 },
};
const SUMMARY = { text: "1. Purpose: Minka the cat.", stopReason: "end_turn" as const };

let world: World;
let processes: AgentProcess[] = [];
beforeAll(async () => {
  world = await World.create();
});
afterAll(() => world?.close());
beforeEach(() => fresh());
afterEach(async () => {
  await Promise.all(processes.map((it) => it.end("SIGKILL")));
  processes = [];
  await world.stopAgents();
});

const fresh = (config: Parameters<World["fresh"]>[0] = {}) =>
  world.fresh({ windows: { [MODEL]: WINDOW }, keepRequests: 1000, summary: SUMMARY, ...config });
const start = (change: Parameters<World["start"]>[0] = {}) => world.start({ ...AGENT, ...change });
type Agent = Awaited<ReturnType<typeof start>>;

interface Sent {
  model: string;
  messages: { role: string; content: { type: string; text?: string; content?: string }[] }[];
}
const sent = (model: string) =>
  world.claude.requests
    .filter((it) => it.path === "/v1/messages")
    .map((it) => it.body as Sent)
    .filter((it) => it.model === model);
const metric = async (agent: Agent, outcome: string) =>
  (await agent.metrics.compactions.get()).values.find((it) => it.labels.outcome === outcome)?.value ?? 0;
const audit = (session: string) =>
  world.sql<{ line: Record<string, unknown> }>(
    `SELECT record::jsonb AS line FROM audit
     WHERE record::jsonb->>'action' = 'context.compacted' AND record::jsonb->>'session' = $1 ORDER BY seq`,
    [session],
  );
const rows = (table: string, session: string) =>
  world.sql<{ seq: number } & Record<string, unknown>>(`SELECT * FROM ${table} WHERE session_id = $1 ORDER BY seq`, [
    session,
  ]);

async function transcript({ client }: Agent, session: string): Promise<StoredMessage[]> {
  const items: StoredMessage[] = [];
  for (let next: number | null = 0; next !== null; ) {
    const page = await client.messages(session, next);
    items.push(...page.items);
    next = page.next;
  }
  return items;
}

/** Asks so often; every question has to be answered. */
async function ask(agent: Agent, session: string, questions: string[]): Promise<void> {
  for (const question of questions) {
    const answer = await agent.client.ask(session, question);
    expect(answer.error).toBeNull();
  }
}
const lookUps = (times: number) =>
  Array.from(
    { length: times },
    (_, i) => `Question ${i}, THINK: ${i % 3 ? "USE_TOOL 1" : "USE_TOOLS_PARALLEL 2"} look`,
  );
const essays = (times: number) => Array.from({ length: times }, (_, i) => `Essay ${i}: REPLY_CHARS 1600`);

describe("a conversation that outgrows the window", () => {
  it("goes on when old tool outputs are taken out, and its owner still reads all of it", async () => {
    const agent = await start({ tools: [LOOK], compaction: { ...AGENT.compaction, targetTokens: 2800 } });
    const session = await agent.client.createSession();
    await ask(agent, session.id, lookUps(9));
    expect(world.claude.stats.rejected).toBe(0);
    expect(sent("claude-haiku-5-5")).toHaveLength(0);
    expect(JSON.stringify(sent(MODEL).at(-1))).toContain("output removed: 2");
    const { compactions } = await agent.client.session(session.id);
    expect(compactions).toBeGreaterThan(0);
    expect(await metric(agent, "pruned")).toBe(compactions);
    expect(await audit(session.id)).toHaveLength(compactions);
    const said = await transcript(agent, session.id);
    expect(said.map((it) => it.seq)).toEqual(Array.from({ length: 36 }, (_, i) => i + 1));
    expect(JSON.stringify(said)).not.toContain("output removed");
  });

  it("is summarised when that is not enough", async () => {
    const agent = await start();
    const session = await agent.client.createSession();
    await ask(agent, session.id, ["My cat is called Minka. REPLY_CHARS 1600", ...essays(16)]);
    expect(world.claude.stats.rejected).toBe(0);
    const asked = sent("claude-haiku-5-5")[0];
    expect(asked?.messages[0]?.content[0]?.text).toContain("My cat is called Minka.");
    const last = sent(MODEL).at(-1)?.messages ?? [];
    expect(last[0]).toMatchObject({ role: "user" });
    expect(last[0]?.content[0]?.text).toContain(SUMMARY.text);
    expect(last[0]?.content[0]?.text?.startsWith(SUMMARY_MARK)).toBe(true);
    expect(await metric(agent, "summarised")).toBeGreaterThan(1);
    const said = await transcript(agent, session.id);
    expect(said.map((it) => it.seq)).toEqual(Array.from({ length: 34 }, (_, i) => i + 1));
    expect(said.map((it) => it.role)).toEqual(Array.from({ length: 34 }, (_, i) => (i % 2 ? "assistant" : "user")));
    expect(JSON.stringify(said)).not.toContain(SUMMARY_MARK);
    expect((await rows("messages", session.id)).length).toBeLessThan(10);
    const first = await all(agent.client.events(said[0]?.runId ?? ""));
    expect(types(first)).toEqual(["run.started", "text.delta", "run.completed"]);
    expect(textOf(first)).toBe("x".repeat(1600));
    await world.sql("DELETE FROM message_archive WHERE session_id = $1", [session.id]); // as retention does in time
    await ask(agent, session.id, essays(8));
    expect(JSON.stringify((await transcript(agent, session.id))[0]?.content)).toContain(SUMMARY_MARK);
  });

  it("is erased by its owner with the originals, but not before the tenant's schema has what that needs", async () => {
    const agent = await start();
    const [erased, kept] = [await agent.client.createSession(), await agent.client.createSession()];
    for (const { id } of [erased, kept]) await ask(agent, id, essays(9));
    const archived = async () => (await rows("message_archive", kept.id)).length;
    const before = await archived();
    await world.sql("ALTER FUNCTION forget_archive(uuid[]) RENAME TO not_yet");
    await expect(agent.client.eraseSession(erased.id)).rejects.toThrow(/originals of compacted messages are kept/);
    await world.sql("ALTER FUNCTION not_yet(uuid[]) RENAME TO forget_archive");
    expect((await rows("message_archive", erased.id)).length).toBeGreaterThan(0);
    await agent.client.eraseSession(erased.id);
    expect(await rows("message_archive", erased.id)).toEqual([]);
    await world.sql("SELECT forget_archive(ARRAY[$1]::uuid[])", [kept.id]);
    expect(await archived()).toBe(before);
  });

  it("is told on the run's stream, and its summary is in the run's bill", async () => {
    const agent = await start();
    const session = await agent.client.createSession();
    await ask(agent, session.id, essays(8));
    const events = await all(agent.client.run(session.id, "And now?"));
    expect(types(events)).toEqual([
      "run.started",
      "compaction.started",
      "compaction.finished",
      "text.delta",
      "run.completed",
    ]);
    const finished = events.find((it) => it.type === "compaction.finished");
    expect(finished?.data).toMatchObject({ outcome: "summarised" });
    const end = events.at(-1);
    if (end?.type !== "run.completed") throw new Error("the run did not complete");
    const [summary] = sent("claude-haiku-5-5");
    expect(summary).toBeDefined();
    const parts = await agent.metrics.modelTokens.get();
    const haiku = (type: string) =>
      parts.values.find((it) => it.labels.model === "claude-haiku-5-5" && it.labels.type === type)?.value ?? 0;
    const own = { input: end.data.tokens.input - haiku("input"), output: end.data.tokens.output - haiku("output") };
    expect(haiku("output")).toBeGreaterThan(0);
    const none = { cacheRead: 0, cacheWrite: 0 };
    expect(end.data.usd).toBeCloseTo(
      costOf(MODEL, { ...own, ...none }) +
        costOf("claude-haiku-5-5", { input: haiku("input"), output: haiku("output"), ...none }),
      10,
    );
  });

  it.each([
    ["pruned", 2800],
    ["summarised", 1500],
  ])("in one run of many tool calls is %s, and the run's question stays", async (outcome, targetTokens) => {
    const agent = await start({ tools: [LOOK], compaction: { ...AGENT.compaction, targetTokens } });
    const session = await agent.client.createSession();
    const question = "Please look and THINK: USE_TOOL 18 look";
    await ask(agent, session.id, [question]);
    expect(world.claude.stats.rejected).toBe(0);
    for (const request of sent(MODEL)) expect(request.messages[0]?.content[0]?.text).toBe(question);
    expect(await metric(agent, outcome)).toBeGreaterThan(0);
    const said = await transcript(agent, session.id);
    expect(said).toHaveLength(2 + 2 * world.claude.stats.toolUses);
    expect(JSON.stringify(said)).not.toMatch(/output removed|Summary of/);
  });
});

describe("a context that is full all the same", () => {
  it("is compacted when the API refuses it, and asked again", async () => {
    await fresh({ windows: {} });
    const agent = await start(); // believes in 200,000 tokens
    const session = await agent.client.createSession();
    await ask(agent, session.id, essays(6));
    world.claude.config.windows = { [MODEL]: 2000 };
    const answer = await agent.client.ask(session.id, "And now?");
    expect(answer).toMatchObject({ state: "completed", response: "All done." });
    expect(world.claude.stats.rejected).toBe(1);
  });

  it("is compacted when an answer is cut off by it, and nobody keeps the half answer", async () => {
    const agent = await start({ compaction: { ...AGENT.compaction, triggerRatio: 1 } });
    const session = await agent.client.createSession();
    await ask(agent, session.id, essays(8));
    const events = await all(agent.client.run(session.id, "At length: REPLY_CHARS 6000"));
    expect(types(events)).toContain("restarted");
    const end = events.at(-1);
    expect(end?.data).toMatchObject({ state: "completed", stopReason: "end_turn", response: "x".repeat(6000) });
  });

  it("fails a question that is longer than the window, says why, and takes the next question", async () => {
    const agent = await start();
    const session = await agent.client.createSession();
    await ask(agent, session.id, ["Hello"]);
    const answer = await agent.client.ask(session.id, `Too long: ${"pumpkin ".repeat(3000)}`);
    expect(answer).toMatchObject({ state: "failed", error: { type: "context_full" } });
    expect(answer.error?.message).toMatch(/takes 4000, .*ask something shorter/);
    await ask(agent, session.id, ["Hello again"]);
    const said = await transcript(agent, session.id);
    expect(JSON.stringify(said[2]?.content)).toContain("pumpkin pumpkin");
    expect(JSON.stringify(sent(MODEL).at(-1))).not.toContain("pumpkin");
  });

  it("fails a run whose tools answer with more than the window, and takes the next question", async () => {
    const huge = { ...LOOK, name: "huge", sql: { statement: "SELECT repeat('pumpkin ', 3000) AS found" } };
    const agent = await start({ tools: [huge] });
    const session = await agent.client.createSession();
    const answer = await agent.client.ask(session.id, "USE_TOOL 1 huge");
    expect(answer).toMatchObject({ state: "failed", error: { type: "context_full" } });
    await ask(agent, session.id, ["Hello again"]);
    expect(JSON.stringify(await transcript(agent, session.id))).toContain("pumpkin pumpkin");
  });
});

describe("a summary that cannot be had", () => {
  const NO_ANSWER = { kind: "bad_request" as const, match: "Write the summary of this conversation." };
  it.each([
    ["is refused", { summary: { text: "I would rather not.", stopReason: "refusal" as const } }],
    ["is cut off", { summary: { text: "1. Purp", stopReason: "max_tokens" as const } }],
    ["is empty", { summary: { text: " ", stopReason: "end_turn" as const } }],
    ["is longer than what it stands for", { summary: { ...SUMMARY, text: "x".repeat(30_000) } }],
    ["gets an error", { faults: [NO_ANSWER] }],
  ])("because it %s leaves the conversation as it was, and the run goes on", async (_, config) => {
    await fresh(config);
    const agent = await start();
    const session = await agent.client.createSession();
    await ask(agent, session.id, [...essays(8), "And now?"]);
    expect(await metric(agent, "summary_failed")).toBe(1);
    expect((await agent.client.session(session.id)).compactions).toBe(0);
    expect(await rows("message_archive", session.id)).toEqual([]);
    expect(sent(MODEL).at(-1)?.messages).toHaveLength(17);
  });

  it("because the budget has no room for it does not keep the run from its own call", async () => {
    const agent = await start({ agentBudget: { perRun: { tokens: 7000 } } });
    const session = await agent.client.createSession();
    await ask(agent, session.id, [...essays(8), "And now?"]);
    expect(sent("claude-haiku-5-5")).toEqual([]);
    expect(await metric(agent, "summary_failed")).toBe(1);
  });

  it("leaves at least what is gained by taking tool outputs out", async () => {
    await fresh({ summary: { text: "I would rather not.", stopReason: "refusal" } });
    const agent = await start({ tools: [LOOK] });
    const session = await agent.client.createSession();
    await ask(agent, session.id, [...essays(5), ...lookUps(4)]);
    expect(await metric(agent, "summary_failed")).toBeGreaterThan(0);
    expect(await metric(agent, "summarised")).toBe(0);
    expect((await agent.client.session(session.id)).compactions).toBeGreaterThan(0);
    const last = JSON.stringify(sent(MODEL).at(-1));
    expect(last).toContain("output removed");
    expect(last).toContain("Essay 0");
  });
});

describe("between two runs", () => {
  const call = async (agent: Agent, path: string, init: RequestInit = {}) => {
    const response = await fetch(`${agent.url}/v1/sessions/${path}`, init);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const compact = (agent: Agent, session: string) => call(agent, `${session}/compact`, { method: "POST" });

  it("a session tells how full it is, is compacted when it is asked to be, and goes on", async () => {
    const agent = await start();
    const session = await agent.client.createSession();
    await ask(agent, session.id, essays(6));
    const before = await call(agent, `${session.id}/context`);
    expect(before.body).toMatchObject({
      windowTokens: WINDOW,
      triggerTokens: 3200,
      targetTokens: 1500,
      needsCompaction: false,
      compactions: 0,
      messages: 12,
      archivedMessages: 0,
    });
    const { status, body } = await compact(agent, session.id);
    expect(status).toBe(200);
    expect(body).toMatchObject({ outcome: "summarised", tokensBefore: before.body["tokens"] });
    expect((await call(agent, `${session.id}/context`)).body).toMatchObject({ compactions: 1, archivedMessages: 10 });
    const run = await agent.client.getRun(String(body["runId"]));
    expect(run).toMatchObject({ state: "completed", model: "claude-haiku-5-5", error: null });
    expect(Number(run.usd)).toBeGreaterThan(0);
    await ask(agent, session.id, ["And now?"]);
    expect(sent(MODEL).at(-1)?.messages[0]?.content[0]?.text).toContain(SUMMARY.text);
    expect((await compact(agent, session.id)).body).toMatchObject({ outcome: "unchanged", runId: null });
    expect(await transcript(agent, session.id)).toHaveLength(14);
  });

  it("a session that is looked at again and again is counted once, and an empty one never", async () => {
    const agent = await start();
    const session = await agent.client.createSession();
    const counted = () => world.claude.stats.countTokens;
    const looks = () => Promise.all(Array.from({ length: 5 }, () => agent.client.context(session.id)));
    const before = counted();
    const [empty] = await looks();
    expect([empty?.messages, counted()]).toEqual([0, before]);
    await ask(agent, session.id, ["Hello"]);
    const asked = counted();
    const seen = [...(await looks()), ...(await looks())];
    expect(counted()).toBe(asked + 1);
    expect(new Set(seen.map((it) => it.tokens)).size).toBe(1);
    await ask(agent, session.id, ["And now?"]);
    const again = counted();
    expect((await agent.client.context(session.id)).tokens).toBeGreaterThan(seen[0]?.tokens ?? Infinity);
    expect(counted()).toBe(again + 1);
  });

  it("a session of somebody else is out of reach, and a caller with no runs left has to wait", async () => {
    const agent = await start({ tenantLimits: { runsPerMinute: 1, concurrentRuns: 10 } });
    const session = await agent.client.createSession();
    const missing = "00000000-0000-7000-8000-000000000000";
    for (const path of [`${missing}/context`, "nonsense/context"]) expect((await call(agent, path)).status).toBe(404);
    await world.sql("UPDATE sessions SET user_id = 'other' WHERE id = $1", [session.id]);
    expect((await call(agent, `${session.id}/context`)).status).toBe(403);
    expect((await compact(agent, session.id)).status).toBe(403);
    const own = await agent.client.createSession();
    await compact(agent, own.id);
    expect((await compact(agent, own.id)).status).toBe(429);
  });

  it("a summary that is no use is paid for, and changes nothing", async () => {
    await fresh({ summary: { text: "I would rather not.", stopReason: "refusal" } });
    const agent = await start();
    const session = await agent.client.createSession();
    await ask(agent, session.id, essays(6));
    const { body } = await compact(agent, session.id);
    expect(body).toMatchObject({ outcome: "unchanged" });
    const run = await agent.client.getRun(String(body["runId"]));
    expect(run).toMatchObject({ state: "failed", error: { type: "summary_failed" } });
    expect(Number(run.usd)).toBeGreaterThan(0);
    expect((await call(agent, `${session.id}/context`)).body).toMatchObject({ compactions: 0, messages: 12 });
  });

  it("a session that is busy, or begins a run meanwhile, is left alone", async () => {
    const agent = await start();
    const session = await agent.client.createSession();
    await ask(agent, session.id, essays(6));
    world.claude.config.latencyMs = 300;
    const compacting = compact(agent, session.id);
    await expect.poll(() => sent("claude-haiku-5-5").length).toBe(1);
    const run = await agent.client.startRun(session.id, "And now?");
    expect((await compact(agent, session.id)).status).toBe(409);
    expect((await compacting).status).toBe(409);
    await expect.poll(async () => (await agent.client.getRun(run.id)).state).toBe("completed");
    expect(await rows("message_archive", session.id)).toEqual([]);
  });
});

describe("the write of a compaction", () => {
  const worker = randomUUID();
  const other = randomUUID();
  let db: AgentDatabase;
  let session = "";
  let run = "";
  beforeEach(async () => {
    const limits = { min: 0, max: 1, idleMs: 1000, lifetimeSeconds: 60 };
    db = new AgentDatabase(world.names.schema, world.connection, "test", limits, () => {});
    const { client } = await start();
    session = (await client.createSession()).id;
    for (const question of ["One", "Two"]) run = (await client.ask(session, question)).runId;
    await world.stopAgents();
    await world.sql(
      "UPDATE runs SET state = 'running', fence = 2, step = 0, lease_owner = $2, finished_at = NULL WHERE id = $1",
      [run, worker],
    );
  });
  afterEach(async () => {
    await world.sql("UPDATE runs SET state = 'completed' WHERE id = $1", [run]);
    await db.close();
  });

  const audit = [{ at: new Date().toISOString(), record: '{"action":"context.compacted"}' }];
  const write = async (more: Partial<RunStep & { worker: string }> = {}, by = compactConversation) => {
    const [, second] = await rows("messages", session);
    const summary = [{ type: "text", text: "a summary" }];
    const changed = [{ seq: 2, runId: String(second?.["run_id"]), role: "user" as const, content: summary }];
    const step = {
      ...aStep(run),
      sessionId: session,
      to: "running" as const,
      fence: 2,
      messages: [],
      audit,
      worker,
      ...more,
    };
    return by(db, step, { changed, removed: [1] });
  };
  const state = async () => ({
    live: await rows("messages", session),
    archive: await rows("message_archive", session),
    run: await world.sql("SELECT step, input_tokens, usd FROM runs WHERE id = $1", [run]),
    session: await world.sql("SELECT compactions FROM sessions WHERE id = $1", [session]),
    audit: await world.sql("SELECT max(seq) AS last FROM audit"),
  });

  it("is refused to a worker that does not hold the run, or holds it no more", async () => {
    const before = await state();
    expect(await write({ worker: other })).toBe(false);
    expect(await write({ fence: 1 })).toBe(false);
    expect(await write({ step: 2 })).toBe(false);
    expect(await state()).toEqual(before);
  });

  it("applies once, however often it is sent", async () => {
    expect(await write()).toBe(true);
    const after = await state();
    expect(after.live.map((it) => it.seq)).toEqual([2, 3, 4]);
    expect(after.archive.map((it) => it.seq)).toEqual([1, 2]);
    expect(after.session).toEqual([{ compactions: 1 }]);
    expect(await write()).toBe(true);
    expect(await state()).toEqual(after);
  });

  const WAITING = "pg_stat_activity WHERE application_name = 'test' AND wait_event_type = 'Lock'";
  /** Holds the session, as an erasure does, until a write waits for it. */
  const whileHeld = async (begin: () => Promise<boolean>) => {
    const eraser = new Client(clientOptions(world.postgres.adminSettings(world.operatorDatabase), "test"));
    await eraser.connect();
    await eraser.query(`SET search_path = ${world.names.schema}; SET lock_timeout = '3s'; BEGIN`);
    await eraser.query("SELECT FROM sessions WHERE id = $1 FOR UPDATE", [session]);
    const writing = begin();
    await expect.poll(async () => (await world.sql(`SELECT FROM ${WAITING}`)).length, { timeout: 5000 }).toBe(1);
    return { eraser, writing };
  };

  it("is made again when its connection is cut in the middle, and applies once", async () => {
    const { eraser, writing } = await whileHeld(() => write({}, writeCompaction));
    await world.sql(`SELECT pg_terminate_backend(pid) FROM ${WAITING}`);
    await eraser.query("ROLLBACK");
    await eraser.end();
    expect(await writing).toBe(true);
    expect(await state()).toMatchObject({ session: [{ compactions: 1 }], run: [{ step: 1 }] });
  });

  it("does not stand in the way of an erasure, which locks the session and then its runs", async () => {
    const { eraser, writing } = await whileHeld(write);
    await eraser.query("SELECT FROM runs WHERE session_id = $1 FOR UPDATE", [session]);
    await eraser.query("ROLLBACK");
    await eraser.end();
    expect(await writing).toBe(true);
  });

  it("leaves everything as it was when a part of it cannot be written", async () => {
    const before = await state();
    await expect(write({ audit: [{ at: "not a time", record: "{}" }] })).rejects.toThrow("not a time");
    expect(await state()).toEqual(before);
  });
});

it("a run that is cancelled while it compacts is cancelled, and its conversation is as it was", async () => {
  const agent = await start();
  const session = await agent.client.createSession();
  await ask(agent, session.id, essays(8));
  world.claude.config.latencyMs = 5000;
  const { id } = await agent.client.startRun(session.id, "And now?");
  await expect.poll(() => sent("claude-haiku-5-5").length).toBe(1);
  await agent.client.cancel(id);
  await expect.poll(async () => (await agent.client.getRun(id)).state).toBe("cancelled");
  expect(await rows("message_archive", session.id)).toEqual([]);
});

it("a process that is killed while it compacts leaves the conversation whole, and another compacts it once", async () => {
  await fresh({ windows: { [MODEL]: WINDOW } });
  const first = await startProcess(world, AGENT);
  processes.push(first);
  const session = await first.client.createSession();
  for (const question of essays(8)) await first.client.ask(session.id, question);
  const before = await rows("messages", session.id);
  world.claude.config.latencyMs = 400;
  const { id } = await first.client.startRun(session.id, "And now?");
  await expect.poll(() => sent("claude-haiku-5-5").length, { timeout: 5000 }).toBe(1);
  await first.end("SIGKILL");
  expect((await rows("messages", session.id)).slice(0, before.length)).toEqual(before);
  expect(await rows("message_archive", session.id)).toEqual([]);
  const second = await start();
  await expect.poll(async () => (await second.client.getRun(id)).state, { timeout: 15_000 }).toBe("completed");
  expect((await second.client.session(session.id)).compactions).toBe(1);
  expect(await transcript(second, session.id)).toHaveLength(18);
});

it("an encrypted conversation is compacted, read by its owner, and exported", async () => {
  const keys: DataKeys = { keys: { 1: randomBytes(32).toString("base64") }, current: 1 };
  const volume = new SecretVolume(join(world.folder, "transcript-keys"));
  await volume.publish(dataKeyFiles(keys));
  const env = { AGENTPG_TRANSCRIPT_KEYS_DIR: volume.path };
  const agent = await world.start({ ...AGENT, tools: [LOOK], encryptTranscripts: true }, {}, env);
  const session = await agent.client.createSession();
  await ask(agent, session.id, [...lookUps(6), ...essays(8)]);
  expect(world.claude.stats.rejected).toBe(0);
  expect(await metric(agent, "pruned")).toBeGreaterThan(0);
  expect(await metric(agent, "summarised")).toBeGreaterThan(0);
  const stored = JSON.stringify([await rows("messages", session.id), await rows("message_archive", session.id)]);
  for (const word of ["walnut", "Minka", "output removed", "Question 1", "Essay"]) expect(stored).not.toContain(word);
  const said = await transcript(agent, session.id);
  expect(said).toHaveLength(6 * 4 + 8 * 2);
  expect(JSON.stringify(said)).not.toContain("output removed");
  const cipher = new TranscriptCipher(world.names.schema, () => keys);
  const archived = (await rows("message_archive", session.id)).map((row) =>
    decodeRow(cipher, "archived_message", { ...row }),
  );
  expect(archived.map((it) => it["content"])).toEqual(said.slice(0, archived.length).map((it) => it.content));
});
