import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { AgentClient, ReceivedEvent } from "../../src/runtime/client.ts";
import { contentsOf } from "../../src/runtime/modules/contents.ts";
import { defineTool } from "../../src/runtime/modules/interface.ts";
import type { ExactSaying } from "../support/simulated-claude/config.ts";
import { all, textOf, World } from "./fixture.ts";

/** Inputs that the tool was really called with. */
const made: unknown[] = [];
const note = defineTool({
  name: "note",
  description: "Writes down.",
  input: z.looseObject({ text: z.string().optional() }),
  execute: (input) => (made.push(input), "noted"),
});

let world: World;
let client: AgentClient;
beforeAll(async () => {
  world = await World.create();
  const modules = [{ name: "notes", ...contentsOf({ tools: [note] }) }];
  ({ client } = await world.start({ limits: { maxIterations: 4 } }, { modules }));
});
afterAll(() => world?.close());
beforeEach(async () => {
  made.length = 0;
  await world.fresh({ replyText: "Well said." });
});

interface Outcome {
  events: ReceivedEvent[];
  end: ReceivedEvent | undefined;
  text: string;
  sessionId: string;
}

/** What becomes of a run whose model says this, and then of the next one of its session: that one must be answered. */
async function said(...sayings: Omit<ExactSaying, "match">[]): Promise<Outcome> {
  world.claude.config.sayings = sayings.map((it) => ({ ...it, match: "Go" }));
  const { id: sessionId } = await client.createSession();
  const events = await all(client.run(sessionId, "Go"));
  const next = await client.ask(sessionId, "Still there?");
  expect(next).toMatchObject({ state: "completed", response: "Well said." });
  expect(world.claude.stats.lastRejection).toBeNull();
  await client.messages(sessionId);
  return { events, end: events.at(-1), text: textOf(events), sessionId };
}

const failedWith = (type: string, message: RegExp) => ({
  type: "run.failed",
  data: { state: "failed", response: null, error: { type, message: expect.stringMatching(message) } },
});
const completedWith = (response: string) => ({ type: "run.completed", data: { state: "completed", response } });

const text = (it: string) => ({ type: "text", text: it });
const call = (input: unknown, more: object = {}) => ({ type: "tool_use", id: "toolu_1", name: "note", input, ...more });
const calls = (...content: Record<string, unknown>[]) => ({ content, stopReason: "tool_use" });

/** What the model was told about its calls. */
const results = () =>
  world.claude.requests
    .map((it) => it.body as { messages: { content: { type: string; content: string; is_error?: boolean }[] }[] })
    .map((it) => it.messages.at(-1)?.content.filter(({ type }) => type === "tool_result") ?? [])
    .find((it) => it.length) ?? [];

describe("a tool call", () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    ["of a tool that there is not", call({}, { name: "format_disk" }), /^there is no tool format_disk$/],
    ["of a tool without a name", call({}, { name: "" }), /^there is no tool invalid_tool_name_+$/],
    ["of a tool whose name is a novel", call({}, { name: "long ".repeat(100) }), /^there is no tool invalid_tool_name/],
    ["with an input that never becomes JSON", call('{"text": "half'), /input does not fit .*not a JSON object/],
    ["with an input that is a list", call("[1, 2]"), /not a JSON object/],
    ["with an input that is nothing", call("null"), /not a JSON object/],
    ["with an input as deep as a well", call(`${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`), /more than 128 levels/],
    ["with an input against the schema", call({ text: 7 }), /input does not fit the tool's schema: .*text/],
  ])("%s is answered with what is wrong, and nothing is run", async (_what, block, answer) => {
    const { end } = await said(calls(block));
    expect(end).toMatchObject(completedWith("Well said."));
    expect(results()).toMatchObject([{ is_error: true, content: expect.stringMatching(answer) }]);
    expect(made).toEqual([]);
  });

  it("whose id is another call's, or none, is a call of its own", async () => {
    const ids = ["toolu_1", "toolu_1", "", "a b\u0000", "x".repeat(5000)];
    const { end } = await said(
      calls(...ids.map((id, i) => call({ text: `${i}` }, { id }))),
      calls(call({ text: "5" })),
    );
    expect(end).toMatchObject(completedWith("Well said."));
    expect(made.map((it) => (it as { text: string }).text).toSorted()).toEqual(["0", "1", "2", "3", "4", "5"]);
  });

  it("is made with characters that Postgres and the API do not take replaced", async () => {
    const { end } = await said(calls(text("a\ud800b\u0000c"), call({ "k\u0000": "1\udc00", text: "\u0000\u001b[2J" })));
    expect(end).toMatchObject(completedWith("Well said."));
    expect(made).toEqual([{ "k\ufffd": "1\ufffd", text: "\ufffd\u001b[2J" }]);
  });

  it("is made once each, however many an answer has", async () => {
    const many = Array.from({ length: 400 }, (_, i) => call({ text: `${i}` }, { id: `toolu_${i}` }));
    const { end } = await said(calls(...many));
    expect(end).toMatchObject(completedWith("Well said."));
    expect(new Set(made.map((it) => JSON.stringify(it))).size).toBe(400);
    expect(made).toHaveLength(400);
  });

  it("that is made again and again ends with the limit's name", async () => {
    const { end } = await said(...Array.from({ length: 4 }, () => calls(call({}))));
    expect(end).toMatchObject(failedWith("max_iterations", /4 times .*limits\.maxIterations/));
    expect(made).toHaveLength(4);
  });

  it.each([
    ["max_tokens", "max_tokens", /cut off in a tool call.* 1024 tokens \(maxOutputTokens of the Agent\)/],
    ["refusal", "refusal", /begin a new session/],
    ["tea_time", "unknown_stop_reason", /another reason \(tea_time\)/],
    ["end_turn", "unknown_stop_reason", /another reason \(end_turn\)/],
  ])(
    "in an answer that stops with %s is not made, its input whole or half, and the run says why",
    async (stopReason, type, message) => {
      for (const input of [{ text: "x" }, '{"text": "hal']) {
        const { end, text: kept } = await said({ content: [text("I will"), call(input)], stopReason });
        expect(end).toMatchObject(failedWith(type, message));
        expect(made).toEqual([]);
        expect(kept).toBe("");
      }
    },
  );

  it("that is cut off takes the whole ones of its answer with it: none is made", async () => {
    const { end } = await said({
      content: [call({ text: "whole" }), call('{"te', { id: "toolu_2" })],
      stopReason: "max_tokens",
    });
    expect(end).toMatchObject(failedWith("max_tokens", /cut off in a tool call/));
    expect(made).toEqual([]);
  });
});

describe("an answer", () => {
  it.each([
    ["max_tokens", "max_tokens"],
    ["tea_time", "tea_time"],
    ["tool_use", "tool_use"],
  ])("in words that stops with %s is an answer, and says so", async (stopReason) => {
    const { end } = await said({ content: [text("So far")], stopReason });
    expect(end).toMatchObject(completedWith("So far"));
    expect(end?.data).toMatchObject({ stopReason });
  });

  it("that is a refusal fails the run, and what was streamed of it is taken back", async () => {
    const { end, text: kept } = await said({ content: [text("I would")], stopReason: "refusal" });
    expect(end).toMatchObject(failedWith("refusal", /ask otherwise/));
    expect(kept).toBe("");
  });

  it("that is a refusal without a word, or after a tool has worked, is no empty answer", async () => {
    const refusal = { stopReason: "refusal" };
    expect((await said({ ...refusal, content: [] })).end).toMatchObject(failedWith("refusal", /ask otherwise/));
    const { end } = await said(calls(call({ text: "once" })), { ...refusal, content: [text("Now I")] });
    expect(end).toMatchObject(failedWith("refusal", /ask otherwise/));
    expect(made).toEqual([{ text: "once" }]);
  });

  it.each([
    ["nothing", []],
    ["an empty text", [text("")]],
  ])("of %s fails the run", async (_what, content) => {
    const { end } = await said({ content });
    expect(end).toMatchObject(failedWith("empty_answer", /without a word \(end_turn\): ask again/));
  });

  it("of nothing after a tool has worked ends the run well", async () => {
    const { end } = await said(calls(call({})), { content: [] });
    expect(end).toMatchObject(completedWith(""));
  });

  it("that only pauses is gone on with, even when it has said nothing yet", async () => {
    const pause = { stopReason: "pause_turn" };
    const { end, events } = await said({ ...pause, content: [text("Wait. ")] }, { ...pause, content: [] });
    expect(end).toMatchObject(completedWith("Well said."));
    expect(textOf(events)).toBe("Wait. Well said.");
  });

  it("with blocks of a kind that nobody knows keeps them", async () => {
    const { end, sessionId } = await said({ content: [{ type: "hologram", beam: { a: [1] } }, text("Look.")] });
    expect(end).toMatchObject(completedWith("Look."));
    expect(JSON.stringify(await client.messages(sessionId))).toContain("hologram");
  });

  it("of half a million characters is kept whole", async () => {
    const long = "Hollerådalen ".repeat(40_000);
    const { end } = await said({ content: [text(long)] });
    expect(end).toMatchObject(completedWith(long));
  });

  it("with characters that are none is told and kept without them", async () => {
    const { end, events } = await said({ content: [text("a\u0000b\ud83d \u202e\u0007c")] });
    expect(end).toMatchObject(completedWith("a\ufffdb\ufffd \u202e\u0007c"));
    expect(events.at(-1)?.type).toBe("run.completed");
  });

  it("with a bill that no model writes costs what of it makes sense", async () => {
    const usage = { input_tokens: -5, output_tokens: 1e300, cache_read_input_tokens: 0.5 };
    const { end } = await said({ content: [text("Free!")], usage });
    expect(end?.data).toMatchObject({ state: "completed", tokens: { input: 0, output: 1, cacheRead: 0 } });
  });
});

describe("a stream", () => {
  const start = { type: "message_start", message: { usage: { input_tokens: 1, output_tokens: 1 } } };
  const open = { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } };
  const delta = (more: object) => ({ type: "content_block_delta", index: 0, delta: more });
  const words = delta({ type: "text_delta", text: "no" });
  const end = { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 1 } };
  const stop = { type: "message_stop" };

  it.each<[string, { type: string; [more: string]: unknown }[]]>([
    ["starts twice", [start, open, words, start, end, stop]],
    ["has words before its start", [open, start, words, end, stop]],
    ["has words of a block that is not open", [start, words, end, stop]],
    ["opens a block twice", [start, open, words, open, end, stop]],
    ["opens a block far away", [start, { ...open, index: 4e9 }, end, stop]],
    ["opens a block of no kind", [start, { ...open, content_block: null }, end, stop]],
    [
      "has a delta of another kind than its block",
      [start, open, delta({ type: "thinking_delta", thinking: "h" }), stop],
    ],
    ["never stops", [start, open, words, end]],
    ["stops before it starts", [stop, start, open, words]],
  ])("that %s is asked for again", async (_what, events) => {
    const { end: last, text: kept } = await said({ events });
    expect(last).toMatchObject(completedWith("Well said."));
    expect(kept).toBe("Well said.");
  });

  it("that is wrong every time fails the run", async () => {
    const { end: last } = await said({ events: [start, words], times: 5 });
    expect(last).toMatchObject(failedWith("stream_interrupted", /broke off 5 times: try again later/));
  });

  it("that goes on after its end, or has events that nobody knows, is an answer", async () => {
    const { end: last } = await said({ events: [start, { type: "tea" }, open, words, end, stop, start, words] });
    expect(last).toMatchObject(completedWith("no"));
  });
});

it("a context that the API finds too long, whatever is left out, fails the run with what to do", async () => {
  world.claude.config.faults = [{ kind: "prompt_too_long", match: "Go" }];
  const { end } = await said();
  expect(end).toMatchObject(failedWith("context_full", /ask something shorter.*begin a new session/));
});
