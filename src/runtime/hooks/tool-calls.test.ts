import { describe, expect, it } from "vitest";
import { silentLogger } from "../../telemetry/log.ts";
import { RuntimeMetrics } from "../metrics/metrics.ts";
import { InputChecks } from "../tools/validation.ts";
import { createHooks } from "./create-hooks.ts";
import type { Hook, HookPlace } from "./hook.ts";
import { checkedInput, checkedOutcome } from "./tool-calls.ts";

const metrics = new RuntimeMetrics({ model: "m", version: "v" });
const made = (...hooks: Partial<Hook>[]) =>
  createHooks(
    hooks.map((it, i) => ({ name: `h${i}`, onFailure: "Block", timeoutSeconds: 1, ...it })),
    { tenant: "acme", agent: "a", metrics, log: silentLogger },
  );
const place: HookPlace = {
  userId: "u",
  sessionId: "s",
  runId: "r",
  variables: null,
  signal: new AbortController().signal,
};
const properties = { id: { type: "integer" } };
const tool = { name: "orders", check: new InputChecks().compile({ type: "object", properties }) };
type Before = NonNullable<Hook["beforeToolCall"]>;
const input = (...hooks: Before[]) =>
  checkedInput(
    made(...hooks.map((beforeToolCall) => ({ beforeToolCall }))).beforeToolCall as never,
    tool,
    { id: 1 },
    place,
  );
const outcome = (afterToolCall: NonNullable<Hook["afterToolCall"]>) => {
  const result = { tool: "orders", input: { id: 1 }, outcome: { output: "card 4111", isError: false } };
  return checkedOutcome(made({ afterToolCall }).afterToolCall as never, result, place);
};

it("a place that no hook looks at is not there, so that it costs nothing", () => {
  expect(made()).toEqual({});
  expect(Object.keys(made({ beforeToolCall: () => undefined }))).toEqual(["beforeToolCall"]);
});

describe("before a call", () => {
  it("the input passes as it is when nothing is said", async () => {
    expect(await input(() => undefined)).toEqual({ input: { id: 1 }, annotations: undefined });
  });
  it("what a hook writes into its copy does not count", async () => {
    const writes: Before = (call) => void (call.input["id"] = 666);
    expect(await input(writes)).toMatchObject({ input: { id: 1 } });
  });
  it("each hook sees what the one before it made, and all annotations are kept", async () => {
    const more: Before = ({ input: { id } }) => ({
      action: "change",
      input: { id: Number(id) + 1 },
      annotations: { was: String(id) },
    });
    expect(await input(more, more)).toEqual({
      input: { id: 3 },
      annotations: { "h0.was": "1", "h1.was": "2" },
    });
  });
  it("a changed input that does not fit the tool's schema is told to the model", async () => {
    expect(await input(() => ({ action: "change", input: { id: "x" } }))).toMatchObject({
      refused: { isError: true, output: expect.stringContaining("id must be integer") },
    });
  });
  it("a block ends it: hooks behind it are not asked", async () => {
    const never: Before = () => expect.unreachable();
    expect(await input(() => ({ action: "block", reason: "not on Sundays" }), never)).toMatchObject({
      refused: { isError: true, output: "blocked by hook h0: not on Sundays" },
    });
  });
  it("a run that is cancelled meanwhile is not kept waiting", async () => {
    const cancel = new AbortController();
    const { beforeToolCall } = made({ timeoutSeconds: 60, beforeToolCall: () => new Promise(() => {}) });
    const asked = beforeToolCall?.({ tool: "orders", input: {} }, { ...place, signal: cancel.signal });
    cancel.abort(new Error("cancelled"));
    await expect(asked).rejects.toThrow("cancelled");
  });
});

describe("after a call", () => {
  it("a hook changes what the model reads", async () => {
    const changed = await outcome(({ outcome: was }) => ({
      action: "change",
      outcome: { ...was, output: was.output.replace("4111", "****") },
    }));
    expect(changed.outcome).toEqual({ output: "card ****", isError: false });
  });
  it("a block withholds the output, and says that the call was made", async () => {
    expect(await outcome(() => ({ action: "block", reason: "a card" }))).toEqual({
      outcome: {
        output: "the call was made, but its output was withheld by hook h0: a card",
        isError: true,
      },
      annotations: undefined,
    });
  });
});

it("annotations are bounded, whatever a hook gives", async () => {
  const annotations = Object.fromEntries(
    Array.from({ length: 50 }, (_, i) => [`k${i}${"x".repeat(100)}`, "y".repeat(1000)]),
  );
  const checked = await input(() => ({ action: "allow", annotations }));
  const entries = Object.entries(checked.annotations ?? {});
  expect(entries).toHaveLength(16);
  expect(Math.max(...entries.map(([key, value]) => key.length + value.length))).toBeLessThan(400);
});
