import { expect, test } from "vitest";
import { DatabaseUnreachable } from "../../database/errors.ts";
import type { StoredMessage } from "../../database/runs/run.ts";
import type { RunView } from "../../database/runs/read-run.ts";
import { RunChannel } from "./events.ts";
import { followRun, type FollowSource } from "./follow.ts";

const MESSAGES = [
  { seq: 1, role: "user", content: [{ type: "text", text: "ask" }] },
  { seq: 2, role: "assistant", content: [{ type: "tool_use", id: "t1", name: "researcher", input: {} }] },
  { seq: 3, role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content: "answer" }] },
  { seq: 4, role: "assistant", content: [{ type: "text", text: "done" }] },
] as unknown as StoredMessage[];

const source: FollowSource = {
  channel: () => undefined,
  run: () =>
    Promise.resolve({ id: "r", state: "completed", startedAt: new Date(), usd: "0", tokens: {} } as unknown as RunView),
  messages: (_session, _run, after) => Promise.resolve(MESSAGES.filter(({ seq }) => seq > after)),
  delegate: (tool) => (tool === "researcher" ? "researcher" : undefined),
  asksFirst: () => false,
  approvals: async () => [],
  decisions: async () => [],
  pause: () => Promise.resolve(),
};

async function typesFrom(seq: number): Promise<string[]> {
  const types: string[] = [];
  const from = { at: { seq, part: 0 }, begun: true };
  for await (const event of followRun(source, "r", "s", from, new AbortController().signal)) types.push(event.type);
  return types;
}

test("a finished run is told from its start", async () => {
  expect(await typesFrom(0)).toEqual(["delegation.started", "delegation.finished", "text.delta", "run.completed"]);
});

test("who comes between a delegation and its answer is told that a delegation finished, not a tool", async () => {
  expect(await typesFrom(2)).toEqual(["delegation.finished", "text.delta", "run.completed"]);
});

test("for who listens too slowly little is kept: the rest is read from the database", async () => {
  const channel = new RunChannel(1);
  const channels = [channel];
  const live = { ...source, channel: () => channels.shift() };
  const from = { at: { seq: 1, part: 0 }, begun: true };
  const events = followRun(live, "r", "s", from, new AbortController().signal);
  const first = events.next();
  await new Promise(setImmediate); // now it listens
  for (let i = 0; i < 5000; i++) channel.part({ type: "text.delta", data: { text: "x" } });
  const types = [(await first).value?.type];
  for await (const event of events) types.push(event.type);
  expect(types).toEqual(["delegation.started", "delegation.finished", "text.delta", "run.completed"]);
});

test("who listens while the database is away hears the rest when it is back", async () => {
  let away = 3;
  const run: FollowSource["run"] = (id) =>
    away-- > 0 ? Promise.reject(new DatabaseUnreachable("away")) : source.run(id);
  const from = { at: { seq: 3, part: 0 }, begun: true };
  const types: string[] = [];
  for await (const event of followRun({ ...source, run }, "r", "s", from, new AbortController().signal))
    types.push(event.type);
  expect(types).toEqual(["text.delta", "run.completed"]);
});

test("a fault that does not pass ends what is told", async () => {
  const run = () => Promise.reject(new TypeError("ours"));
  const events = followRun(
    { ...source, run },
    "r",
    "s",
    { at: { seq: 0, part: 0 }, begun: true },
    new AbortController().signal,
  );
  await expect(events.next()).rejects.toThrow("ours");
});
