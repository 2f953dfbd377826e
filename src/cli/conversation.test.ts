import { expect, test } from "vitest";
import type { AgentClient, ReceivedEvent } from "../runtime/client.ts";
import { converse, decisionText } from "./conversation.ts";

const decided = { toolUseId: "toolu_1", name: "refund", approved: false, by: "bob", reason: null };

test("a decision says who made it, and why, without giving the terminal orders", () => {
  expect(decisionText({ ...decided, approved: true })).toBe("refund was approved by bob");
  expect(decisionText({ ...decided, reason: "not on a \u001b[2JFriday" })).toBe(
    "refund was denied by bob: not on a \\x1b[2JFriday",
  );
  expect(decisionText({ ...decided, by: null })).toBe("refund was denied: nobody decided in time");
});

/** An agent that tells this, whatever it is asked. */
const telling = (...events: Omit<ReceivedEvent, "id">[]) =>
  ({
    async *run() {
      yield* events;
    },
  }) as unknown as AgentClient;

const ESCAPE = String.fromCharCode(27);
const withoutDim = (text: string) => text.replaceAll(`${ESCAPE}[2m`, "").replaceAll(`${ESCAPE}[0m`, "");
const BAD = "\u001b]0;owned\u0007\u009b2J\r";
const end = { runId: "r", response: "", stopReason: null, tokens: {}, usd: 0 };

test.each([true, false])("nothing that an agent says gives the terminal orders (terminal: %s)", async (isTTY) => {
  const agent = telling(
    { type: "text.delta", data: { text: BAD } },
    { type: "restarted", data: { reason: BAD } },
    { type: "tool.started", data: { toolUseId: BAD, name: BAD } },
    { type: "delegation.started", data: { toolUseId: BAD, agent: BAD } },
    { type: "approval.requested", data: { toolUseId: BAD, name: BAD, input: BAD, expiresAt: BAD } },
    { type: "approval.decided", data: { ...decided, name: BAD, by: BAD, reason: BAD } },
    { type: "run.completed", data: { ...end, state: "completed", error: null } } as never,
  );
  let written = "";
  await converse(agent, "s", "Hello", { isTTY, write: (text: string) => Boolean((written += text)) });
  expect(withoutDim(written)).not.toMatch(/[^\P{Cc}\n]/u);
  expect(written.split("\\x1b]0;owned\\x07\\x9b2J\\x0d")).toHaveLength(10);
});

test("why a run failed gives the terminal no orders", async () => {
  const agent = telling({
    type: "run.failed",
    data: { ...end, state: "failed", error: { type: "x", message: BAD } },
  } as never);
  const out = { write: () => true };
  await expect(converse(agent, "s", "Hello", out)).rejects.toThrow("the run ended as failed: \\x1b]0;owned");
});
