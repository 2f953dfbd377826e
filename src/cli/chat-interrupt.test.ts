import { EventEmitter } from "node:events";
import { expect, test, vi } from "vitest";
import type { AgentClient } from "../runtime/client.ts";
import { untilInterrupted } from "./chat-interrupt.ts";

function anAgent() {
  const cancelled: string[] = [];
  const cancel: AgentClient["cancel"] = async (id) => {
    cancelled.push(id);
    return undefined as never;
  };
  return { cancelled, agent: { cancel } };
}

test("Ctrl-C cancels the run, also when it is not known yet what it is called", async () => {
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
  for (const early of [true, false]) {
    const { agent, cancelled } = anAgent();
    const interrupts = new EventEmitter();
    await untilInterrupted(agent, interrupts, async (onRun) => {
      if (early) interrupts.emit("SIGINT");
      onRun("r1");
      if (!early) interrupts.emit("SIGINT");
      onRun("r1");
    });
    expect(cancelled).toEqual(["r1"]);
    expect(interrupts.listenerCount("SIGINT")).toBe(0);
  }
  vi.restoreAllMocks();
});
