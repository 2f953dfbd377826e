import { describe, expect, it } from "vitest";
import type { ToolExecution } from "../../database/runs/run.ts";
import type { Tool } from "../tools/registry.ts";
import { closingResults, type ToolTask, toolTasks } from "./pending-tools.ts";

const aTool = (name: string, change: Partial<Tool> = {}): [string, Tool] => [
  name,
  {
    name,
    idempotent: false,
    maxAttempts: 1,
    needsApproval: false,
    timeoutMs: 1000,
    definition: { name, description: "", input_schema: {} },
    check: () => undefined,
    body: { kind: "sql", execute: async () => ({ output: "", isError: false }) },
    ...change,
  },
];
const tools = new Map([
  aTool("plain"),
  aTool("safe", { idempotent: true }),
  aTool("strict", { check: () => "no" }),
  aTool("asks", { needsApproval: true }),
  aTool("other", { body: { kind: "agent", agent: "researcher" } }),
]);
const anExecution = (change: Partial<ToolExecution> = {}): ToolExecution => ({
  toolUseId: "t",
  name: "plain",
  state: "running",
  attempts: 1,
  isError: null,
  output: null,
  input: { task: "x" },
  idempotencyKey: "k",
  approvalSecondsLeft: null,
  childRun: null,
  childState: null,
  childGivenUp: false,
  childResponse: null,
  childError: null,
  ...change,
});
const taskOf = (
  name: string,
  executions: ToolExecution[] = [],
  depth = 0,
  onTimeout: "Deny" | "Approve" = "Deny",
): ToolTask | undefined =>
  toolTasks([{ id: "t", name, input: { task: "x" } }], executions, { tools, maxDepth: 5, onTimeout }, depth)[0];

describe("a new call", () => {
  it("is executed", () => expect(taskOf("plain")).toMatchObject({ do: "execute", again: false }));
  it("of another agent is delegated", () =>
    expect(taskOf("other")).toMatchObject({ do: "delegate", agent: "researcher", task: "x" }));
  it("of a tool that is not there is answered with that", () =>
    expect(taskOf("nothing")).toMatchObject({ do: "answer", outcome: { isError: true } }));
  it("with a wrong input is answered with what is wrong", () =>
    expect(taskOf("strict")).toMatchObject({
      do: "answer",
      outcome: { isError: true, output: expect.stringContaining("no") },
    }));
  it("too deep is answered with that", () =>
    expect(taskOf("other", [], 5)).toMatchObject({ do: "answer", outcome: { isError: true } }));
});

describe("a call that was written before", () => {
  it("and finished is answered with its result, not made again", () =>
    expect(taskOf("plain", [anExecution({ state: "completed", output: "42", isError: false })])).toMatchObject({
      do: "answer",
      outcome: { output: "42", isError: false },
    }));
  it("and was cut short is answered with that", () =>
    expect(taskOf("plain", [anExecution()])).toMatchObject({ do: "answer", outcome: { isError: true } }));
  it("and was cut short is made again, under the same key, when that is safe", () =>
    expect(taskOf("safe", [anExecution({ name: "safe" })])).toMatchObject({
      do: "execute",
      again: true,
      idempotencyKey: "k",
    }));
  it("and waits for another agent goes on waiting", () =>
    expect(taskOf("other", [anExecution({ childRun: "c", childState: "running" })])).toMatchObject({ do: "await" }));
  it("and waits for another agent does not go on waiting for what was given up", () => {
    const childError = { type: "agent_unavailable", message: "it has no pod" };
    expect(
      taskOf("other", [anExecution({ childRun: "c", childState: "running", childGivenUp: true, childError })]),
    ).toMatchObject({ outcome: { output: "the other agent's run was cancelled: it has no pod", isError: true } });
  });
  it("has the other agent's answer, failure or end", () => {
    expect(
      taskOf("other", [anExecution({ childRun: "c", childState: "completed", childResponse: "yes" })]),
    ).toMatchObject({ outcome: { output: "yes", isError: false } });
    expect(
      taskOf("other", [
        anExecution({ childRun: "c", childState: "failed", childError: { type: "x", message: "why" } }),
      ]),
    ).toMatchObject({ outcome: { output: expect.stringContaining("why"), isError: true } });
    expect(taskOf("other", [anExecution({ childRun: "c", childState: null })])).toMatchObject({ do: "answer" });
  });
});

describe("calls that the end of a run leaves open", () => {
  it("are all answered, with their results as far as they are known", () => {
    const content = [
      { type: "text", text: "" },
      ...["a", "b"].map((id) => ({ type: "tool_use", id, name: "plain", input: {} })),
    ];
    const closing = closingResults(
      { role: "assistant", content },
      [anExecution({ toolUseId: "a", state: "completed", output: "1", isError: false })],
      "the end",
    );
    expect(closing?.content).toEqual([
      { type: "tool_result", tool_use_id: "a", content: "1" },
      { type: "tool_result", tool_use_id: "b", content: "the end", is_error: true },
    ]);
  });
  it("say so of a call whose result is there and cannot be read", () => {
    const { output: _, ...unread } = anExecution({ toolUseId: "a", state: "completed", isError: false });
    const content = [{ type: "tool_use", id: "a", name: "plain", input: {} }];
    expect(closingResults({ role: "assistant", content }, [unread], "the end")?.content).toEqual([
      { type: "tool_result", tool_use_id: "a", content: "The result of this call cannot be read." },
    ]);
  });
  it("need nothing when there are none", () =>
    expect(closingResults({ role: "user", content: [] }, [], "x")).toBeUndefined());
});

describe("a call that needs a person", () => {
  const asked = (approvalSecondsLeft: number) => [
    anExecution({ name: "asks", state: "awaiting_approval", approvalSecondsLeft }),
  ];
  it("asks before it runs", () => expect(taskOf("asks")).toMatchObject({ do: "approve" }));
  it("waits while there is time", () =>
    expect(taskOf("asks", asked(5))).toMatchObject({ do: "awaitApproval", seconds: 5 }));
  it("is not made when nobody decides in time", () =>
    expect(taskOf("asks", asked(-1))).toMatchObject({ do: "answer", outcome: { isError: true } }));
  it("is made when nobody decides in time, where that is what is wanted", () =>
    expect(taskOf("asks", asked(-1), 0, "Approve")).toMatchObject({ do: "execute", idempotencyKey: "k" }));
  it("runs once it may, with the key that it was given", () =>
    expect(taskOf("asks", [anExecution({ name: "asks", state: "approved" })])).toMatchObject({
      do: "execute",
      again: false,
      idempotencyKey: "k",
    }));
  it("of a tool that is gone is answered with that", () =>
    expect(taskOf("gone", [anExecution({ name: "gone", state: "approved" })])).toMatchObject({ do: "answer" }));
});
