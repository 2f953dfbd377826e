import { describe, expect, it } from "vitest";
import { executeTool } from "./execute.ts";
import type { Tool } from "./registry.ts";
import { type LocalTool, RetryTool, SnoozeTool, ToolError, type ToolOutcome } from "./tool.ts";

const aTool = (
  execute: (attempt: number, signal: AbortSignal) => Promise<ToolOutcome> | ToolOutcome,
  change: Partial<Tool> = {},
): Tool & { body: LocalTool } => {
  let attempt = 0;
  return {
    name: "t",
    idempotent: true,
    maxAttempts: 3,
    needsApproval: false,
    timeoutMs: 50,
    definition: { name: "t", description: "", input_schema: {} },
    check: () => undefined,
    ...change,
    body: { kind: "module", execute: async ({ signal }) => execute(++attempt, signal) },
  };
};
const call = { input: {}, idempotencyKey: "k", runId: "r", sessionId: "s", userId: "u", variables: null };
const run = (tool: Tool & { body: LocalTool }, signal = new AbortController().signal) =>
  executeTool(tool, call, signal, 1);
const done = { output: "done", isError: false };

describe("a tool", () => {
  it("that fails in a way that may pass is tried again", async () => {
    const tool = aTool((attempt) => {
      if (attempt === 1) throw new RetryTool("busy");
      if (attempt === 2) throw new TypeError("fell over");
      return done;
    });
    expect(await run(tool)).toEqual({ ...done, kind: "ok", attempts: 3 });
  });

  it("that says what is wrong is not", async () => {
    const tool = aTool(() => {
      throw new ToolError("no such order");
    });
    expect(await run(tool)).toMatchObject({ output: "no such order", isError: true, kind: "error", attempts: 1 });
    const answers = aTool(() => ({ output: "refused", isError: true }));
    expect(await run(answers)).toMatchObject({ output: "refused", attempts: 1 });
  });

  it("gives up after its attempts, and tells the model no more than it may know", async () => {
    const tool = aTool(() => {
      throw new Error("connection to 10.0.0.7 refused");
    });
    expect(await run(tool)).toMatchObject({ output: "the tool failed", kind: "error", attempts: 3 });
  });

  it("that hangs is left to itself at its time limit, also one that does not listen", async () => {
    const tool = aTool(() => new Promise(() => {}), { maxAttempts: 1 });
    expect(await run(tool)).toMatchObject({ output: "the tool did not finish within 0.05 s", kind: "timeout" });
  });

  it("may ask to be called later, which is no attempt", async () => {
    const tool = aTool(() => {
      throw new SnoozeTool(5);
    });
    expect(await run(tool)).toMatchObject({ kind: "snoozed", seconds: 5 });
    const never = aTool(() => {
      throw new SnoozeTool(Number.NaN);
    });
    expect(await run({ ...never, maxAttempts: 1 })).toMatchObject({ kind: "error" });
  });

  it("is cut by the run's end, between its attempts too", async () => {
    const stop = new AbortController();
    const reason = new Error("cancelled");
    const tool = aTool(() => {
      stop.abort(reason);
      throw new RetryTool("busy");
    });
    await expect(run(tool, stop.signal)).rejects.toBe(reason);
  });
});
