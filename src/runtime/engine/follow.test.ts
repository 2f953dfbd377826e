import { expect, test } from "vitest";
import { DatabaseUnreachable } from "../../database/errors.ts";
import type { StoredMessage } from "../../database/runs/run.ts";
import type { RunView } from "../../database/runs/read-run.ts";
import { eventId, parseEventId, type PlacedEvent, type Position, RunChannel } from "./events.ts";
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

const PARALLEL = [
  { seq: 1, role: "user", content: [{ type: "text", text: "ask" }] },
  {
    seq: 2,
    role: "assistant",
    content: [
      { type: "text", text: "I look." },
      { type: "tool_use", id: "t1", name: "note", input: {} },
      { type: "tool_use", id: "t2", name: "researcher", input: {} },
    ],
  },
  {
    seq: 3,
    role: "user",
    content: [
      { type: "tool_result", tool_use_id: "t1", content: "noted" },
      { type: "tool_result", tool_use_id: "t2", content: "answer" },
    ],
  },
  { seq: 4, role: "assistant", content: [{ type: "text", text: "done" }] },
] as unknown as StoredMessage[];
const TOLD = [
  "text.delta I look.",
  "tool.started t1",
  "delegation.started t2",
  "tool.finished t1",
  "delegation.finished t2",
  "text.delta done",
  "run.completed",
];
const isStored = (seq: number): FollowSource["messages"] => {
  const stored = PARALLEL.filter((it) => it.seq <= seq);
  return (_session, _run, after) => Promise.resolve(stored.filter((it) => it.seq > after));
};
const word = ({ type, data }: PlacedEvent) =>
  [type, ...("text" in data ? [data.text] : "toolUseId" in data ? [data.toolUseId] : [])].join(" ");

/** What is heard from a place on, each with its id. */
async function heard(from: FollowSource, id: string): Promise<[string, string][]> {
  const start = { at: parseEventId(id) as Position, begun: true };
  const list: [string, string][] = [];
  for await (const event of followRun(from, "r", "s", start, new AbortController().signal))
    list.push([eventId(event.at), word(event)]);
  return list;
}

/** A process that works on the run while somebody listens. */
function working(): FollowSource {
  const channel = new RunChannel(1);
  const data = (toolUseId: string) => ({ toolUseId, name: "note", agent: "researcher", isError: false });
  const work = async () => {
    await new Promise(setImmediate);
    for (const text of ["I ", "look."]) channel.part({ type: "text.delta", data: { text } });
    channel.commit(2);
    channel.tellBlocks([
      { event: { type: "delegation.started", data: data("t2") }, block: 2 },
      { event: { type: "tool.started", data: data("t1") }, block: 1 },
    ]);
    channel.tellAhead({ type: "tool.finished", data: data("t1") }); // the run is parked
    channel.commit(3);
    channel.tellBlocks([
      { event: { type: "tool.finished", data: data("t1") }, block: 0 },
      { event: { type: "delegation.finished", data: data("t2") }, block: 1 },
    ]);
    channel.part({ type: "text.delta", data: { text: "done" } });
    channel.close();
  };
  const channels = [channel];
  return {
    ...source,
    messages: isStored(4),
    channel() {
      const [next] = channels.splice(0);
      if (next) void work();
      return next;
    },
  };
}

test("who stopped after any event of a message with several calls goes on with the next one, and no text is told again", async () => {
  const stored = { ...source, messages: isStored(4) };
  const all = await heard(stored, "1");
  expect(all.map(([, event]) => event)).toEqual(TOLD);
  for (const [i, [id]] of all.entries())
    expect((await heard(stored, id)).map(([, event]) => event)).toEqual(TOLD.slice(Math.min(i + 1, TOLD.length - 1)));
});

test("an id that was heard live is good at another process", async () => {
  const stored = { ...source, messages: isStored(4) };
  const live = await heard(working(), "1");
  expect(live.map(([, event]) => event).slice(0, 7)).toEqual([
    "text.delta I ",
    "text.delta look.",
    "tool.started t1",
    "delegation.started t2",
    "tool.finished t1", // while the run is parked
    "tool.finished t1",
    "delegation.finished t2",
  ]);
  const after = { "tool.started t1": 2, "delegation.started t2": 3, "delegation.finished t2": 5 };
  for (const [event, from] of Object.entries(after)) {
    const [id] = live.find((it) => it[1] === event) as [string, string];
    expect((await heard(stored, id)).map((it) => it[1])).toEqual(TOLD.slice(from));
  }
  const ids = live.filter((it) => it[1] === "tool.finished t1").map(([id]) => id);
  const [parked, inOrder] = await Promise.all(ids.map((id) => heard(stored, id)));
  expect(parked?.map((it) => it[1])).toEqual(TOLD.slice(3));
  expect(inOrder?.map((it) => it[1])).toEqual(TOLD.slice(4));
});

test("who comes with a place within a message hears the rest of it before what happens now", async () => {
  const channel = new RunChannel(2);
  const channels = [channel];
  const live = { ...source, messages: isStored(2), channel: () => channels.shift() };
  const start = { at: parseEventId("1.1000002") as Position, begun: true };
  const events = followRun(live, "r", "s", start, new AbortController().signal);
  const first = events.next();
  await new Promise(setImmediate);
  channel.commit(3);
  channel.tellBlocks([
    { event: { type: "tool.finished", data: { toolUseId: "t1", name: "note", isError: false } }, block: 0 },
  ]);
  const told = [(await first).value as PlacedEvent, (await events.next()).value as PlacedEvent];
  expect(told.map(word)).toEqual(["delegation.started t2", "tool.finished t1"]);
  await events.return(undefined);
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
