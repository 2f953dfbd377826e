import { describe, expect, it } from "vitest";
import { MessageAccumulator, StreamInterrupted } from "./accumulate.ts";
import { storableContent, withOwnIds } from "./fit-content.ts";

const start = {
  type: "message_start",
  message: { usage: { input_tokens: 7, output_tokens: 1, cache_read_input_tokens: 3 } },
};
const stop = { type: "message_stop" };
const block = (index: number, content_block: object) => ({ type: "content_block_start", index, content_block });
const delta = (index: number, it: object) => ({ type: "content_block_delta", index, delta: it });
const end = (stop_reason: string) => ({ type: "message_delta", delta: { stop_reason }, usage: { output_tokens: 9 } });
const read = (...events: { type: string }[]) => {
  const message = new MessageAccumulator();
  for (const event of events) message.add(event);
  return message.finish();
};

describe("a streamed message", () => {
  it("keeps thinking, its signature and unknown fields as they came", () => {
    const { content, tokens } = read(
      start,
      block(0, { type: "thinking", thinking: "", signature: "", more: 1 }),
      delta(0, { type: "thinking_delta", thinking: "hm" }),
      delta(0, { type: "signature_delta", signature: "c2ln" }),
      block(1, { type: "new_kind", payload: { a: 1 } }),
      end("end_turn"),
      stop,
    );
    expect(content).toEqual([
      { type: "thinking", thinking: "hm", signature: "c2ln", more: 1 },
      { type: "new_kind", payload: { a: 1 } },
    ]);
    expect(tokens).toEqual({ input: 7, output: 9, cacheRead: 3, cacheWrite: 0 });
  });

  it("puts a tool's input together from its pieces", () => {
    const { content } = read(
      start,
      block(0, { type: "tool_use", id: "t", name: "n", input: {} }),
      delta(0, { type: "input_json_delta", partial_json: '{"a":' }),
      delta(0, { type: "input_json_delta", partial_json: "1}" }),
      { type: "content_block_stop", index: 0 } as never,
      end("tool_use"),
      stop,
    );
    expect(content[0]).toMatchObject({ input: { a: 1 } });
  });

  it("is no message before message_stop", () => {
    expect(() =>
      read(
        start,
        block(0, { type: "text", text: "" }),
        delta(0, { type: "text_delta", text: "half" }),
        end("end_turn"),
      ),
    ).toThrow(StreamInterrupted);
    expect(() => read()).toThrow(StreamInterrupted);
  });

  it("that ends early has cost its input, and what came of it", () => {
    const message = new MessageAccumulator();
    expect(message.spent(100)).toBeUndefined();
    message.add(start);
    expect(message.spent(100)).toEqual({ input: 7, output: 1, cacheRead: 3, cacheWrite: 0 });
    message.add(block(0, { type: "thinking", thinking: "" }));
    message.add(delta(0, { type: "thinking_delta", thinking: "hm ".repeat(10) }));
    message.add(block(1, { type: "tool_use", id: "t", name: "n", input: {} }));
    message.add(delta(1, { type: "input_json_delta", partial_json: `{"a":"${"é".repeat(15)}"}` }));
    const output = Math.ceil((30 + 38 + "{}".length) / 3); // three bytes a token
    expect(message.spent(100)?.output).toBe(output);
    expect(message.spent(10)?.output).toBe(10); // the request's limit
    message.add({ type: "content_block_stop", index: 1 });
    expect(message.spent(100)?.output).toBe(Math.ceil(68 / 3));
    message.add({ type: "message_delta", delta: {}, usage: { output_tokens: 50 } });
    expect(message.spent(100)?.output).toBe(50);
  });

  it("is refused when it begins in the middle", () => {
    expect(() => read(delta(0, { type: "text_delta", text: "x" }))).toThrow(StreamInterrupted);
  });
});

describe("what is stored of an answer", () => {
  const tokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
  const content = [
    { type: "text", text: "" },
    { type: "text", text: "a" },
    { type: "tool_use", id: "t", name: "n", input: {} },
  ];
  it("has no empty text", () => {
    expect(storableContent({ content, stopReason: "tool_use", tokens })).toEqual([content[1], content[2]]);
  });
  it("has no tool call that the output limit cut off", () => {
    expect(storableContent({ content, stopReason: "max_tokens", tokens })).toEqual([content[1]]);
  });
});

describe("a tool call's id", () => {
  const call = (id: string) => ({ type: "tool_use", id, name: "t", input: {} });
  const ids = (content: Record<string, unknown>[]) => content.map((it) => it.id);
  it("stays as it is when it is new", () => expect(ids(withOwnIds([call("a"), call("b")], []))).toEqual(["a", "b"]));
  it("is made anew when it is missing, or was there before, in the answer or in the conversation", () => {
    const earlier = [{ role: "assistant" as const, content: [call("a")] }];
    const [again, first, second, none] = ids(withOwnIds([call("a"), call("b"), call("b"), call("")], earlier));
    expect(first).toBe("b");
    expect(new Set(["a", again, first, second, none, ""]).size).toBe(6);
  });
});
