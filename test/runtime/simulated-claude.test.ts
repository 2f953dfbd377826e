import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { SimulatedClaude } from "../support/simulated-claude/server.ts";

const claude = new SimulatedClaude();
let url: string;
beforeAll(async () => {
  url = await claude.listen();
});
afterAll(() => claude.close());
beforeEach(() => {
  claude.config = { ...new SimulatedClaude().config };
  claude.reset();
});

const headers = { "x-api-key": "sk-ant-test", "anthropic-version": "2026-10-21", "content-type": "application/json" };
interface Answer {
  status: number;
  body: {
    content?: { type: string; text?: string; name?: string; input?: object }[];
    error?: { type: string; message: string };
  };
}
async function ask(messages: object[], more: object = {}, change: Record<string, string> = {}): Promise<Answer> {
  const body = JSON.stringify({ model: "claude-sonnet-5-5", max_tokens: 100, messages, ...more });
  const response = await fetch(`${url}/v1/messages`, { method: "POST", headers: { ...headers, ...change }, body });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}
const says = (text: string) => ({ role: "user", content: text });
const uses = (id: string) => ({ role: "assistant", content: [{ type: "tool_use", id, name: "orders", input: {} }] });
const result = (id: string, content = "ok") => ({
  role: "user",
  content: [{ type: "tool_result", tool_use_id: id, content }],
});
const tools = ["orders", "researcher"].map((name) => ({ name, description: "d", input_schema: { type: "object" } }));

describe("the simulated API refuses, as the real one does,", () => {
  it.each<[string, object[]]>([
    ["a tool_use without its result", [says("a"), uses("t1"), says("b")]],
    ["a tool_use at the end", [says("a"), uses("t1")]],
    ["a result without its tool_use", [says("a"), result("t1")]],
    [
      "one result of two calls",
      [says("a"), { role: "assistant", content: [...uses("t1").content, ...uses("t2").content] }, result("t1")],
    ],
    ["an empty text", [says("")]],
    ["no message", []],
    ["an assistant that begins", [uses("t1"), result("t1")]],
    [
      "thinking whose signature was changed",
      [says("a"), { role: "assistant", content: [{ type: "thinking", thinking: "x", signature: "y" }] }, says("b")],
    ],
  ])("%s", async (_what, messages) => {
    expect(await ask(messages)).toMatchObject({ status: 400, body: { error: { type: "invalid_request_error" } } });
  });
  it("a request without a key, with a bad one, or for another company's model", async () => {
    expect((await ask([says("a")], {}, { "x-api-key": "" })).status).toBe(401);
    expect((await ask([says("a")], {}, { "x-api-key": "sk-ant-bad" })).status).toBe(401);
    expect((await ask([says("a")], { model: "gpt-9" })).status).toBe(404);
  });
});

describe("the simulated model", () => {
  it("asks a tool about an order, and says what the tool said", async () => {
    const question = says("Where is order 1042?");
    const { body } = await ask([question], { tools });
    expect(body.content).toMatchObject([{ type: "tool_use", name: "orders", input: { id: 1042 } }]);
    const answer = await ask([question, uses("t1"), result("t1", '[{"status":"shipped"}]')], { tools });
    expect(answer.body.content?.[0]?.text).toBe("Order 1042: status shipped");
  });
  it("asks another agent, and remembers the first question", async () => {
    expect((await ask([says("Please ask the researcher about cats")], { tools })).body.content).toMatchObject([
      { name: "researcher", input: { task: "cats" } },
    ]);
    const talk = [says("I am Ann."), { role: "assistant", content: "Hello" }, says("What did I ask first?")];
    expect((await ask(talk)).body.content?.[0]?.text).toContain("I am Ann.");
  });
  it("takes a note when it has notes", async () => {
    const question = says("Please note: two loaves for Ann");
    const notes = { name: "notes", input_schema: { type: "object", properties: {} } };
    expect((await ask([question], { tools: [notes] })).body.content).toMatchObject([
      { name: "notes", input: { action: "append", path: "notes.txt", content: "two loaves for Ann\n" } },
    ]);
    expect((await ask([question], { tools })).body.content).toMatchObject([{ type: "text" }]);
  });
  it("says the same to the same request", async () => {
    const [one, two] = [await ask([says("THINK REPLY_CHARS 9")]), await ask([says("THINK REPLY_CHARS 9")])];
    expect(one.body.content).toEqual(two.body.content);
    expect(one.body.content?.[1]?.text).toBe("xxxxxxxxx");
  });
  it("meets faults by number, and again after a reset", async () => {
    claude.config.faults = [{ kind: "overloaded", at: [2] }];
    const statuses = async () => [
      (await ask([says("a")])).status,
      (await ask([says("a")])).status,
      (await ask([says("a")])).status,
    ];
    expect(await statuses()).toEqual([200, 529, 200]);
    claude.reset();
    expect(await statuses()).toEqual([200, 529, 200]);
  });
  it("answers batches, with errors where the API would have them", async () => {
    const params = { model: "claude-sonnet-5-5", max_tokens: 9, messages: [says("a")] };
    const requests = [
      { custom_id: "good", params },
      { custom_id: "bad", params: { ...params, messages: [] } },
    ];
    const made = await fetch(`${url}/v1/messages/batches`, {
      method: "POST",
      headers,
      body: JSON.stringify({ requests }),
    });
    const { id } = (await made.json()) as { id: string };
    const lines = (await (await fetch(`${url}/v1/messages/batches/${id}/results`, { headers })).text())
      .trim()
      .split("\n");
    const results = lines.map((it) => JSON.parse(it) as { custom_id: string; result: { type: string } });
    expect(Object.fromEntries(results.map((it) => [it.custom_id, it.result.type]))).toEqual({
      good: "succeeded",
      bad: "errored",
    });
  });
});
