import { checkedOutcome } from "../hooks/tool-calls.ts";
import { executeTool, type ToolResultKind } from "../tools/execute.ts";
import type { Tool } from "../tools/registry.ts";
import type { LocalTool } from "../tools/tool.ts";
import { exemplarOf } from "../tracing/exemplar.ts";
import { brokenOff } from "../tracing/outcome.ts";
import type { Execution } from "./execution.ts";
import { hookPlace } from "./message-hooks.ts";
import type { Finished, StartedCall } from "./tool-round.ts";

/** Calls of one message that run at the same time; the others wait for their turn. */
const AT_ONCE = 16;

export interface Postponed {
  toolUseId: string;
  seconds: number;
}

export interface Executions {
  executed: Finished[];
  postponed: Postponed[];
  /** Why the others were cut short: the signal's reason. Left out: there are none. */
  cut?: { reason: unknown };
}

/** Runs calls of one message, side by side. */
export async function executeAll(execution: Execution, calls: StartedCall[]): Promise<Executions> {
  const results: (Finished | Postponed)[] = [];
  const waiting = calls.entries();
  const lane = async () => {
    for (const [i, call] of waiting) results[i] = await executeOne(execution, call);
  };
  let cut: Executions["cut"];
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, calls.length) }, lane)).catch((reason: unknown) => {
    cut = { reason };
  });
  return {
    ...(cut && { cut }),
    executed: results.filter((it): it is Finished => "use" in it),
    postponed: results.filter((it): it is Postponed => "seconds" in it),
  };
}

async function executeOne(execution: Execution, { task, row }: StartedCall): Promise<Finished | Postponed> {
  const { host, run, signal } = execution;
  const { use } = task;
  const tool = host.tools.get(use.name) as (Tool & { body: LocalTool }) | undefined;
  if (!tool)
    return { use, outcome: { output: `there is no tool ${use.name} any more`, isError: true }, executed: true };
  const { afterToolCall } = host.hooks;
  const input = (use.input ?? {}) as Record<string, unknown>;
  const before = task.do === "execute" ? task.annotations : undefined;
  const { id: runId, sessionId, userId, variables } = run;
  const call = { input, idempotencyKey: row.idempotencyKey, runId, sessionId, userId, variables };
  const begun = performance.now();
  const span = host.tracing?.toolCall(run, { name: tool.name, kind: tool.body.kind }, use.id);
  const result = await executeTool(tool, call, signal).catch((error) => {
    span?.end(brokenOff(error, signal));
    throw error;
  });
  const { kind, cause, attempts, output, isError } = result;
  span?.end({ attributes: { "agentpg.tool.attempts": attempts }, error: isError ? kind : undefined });
  if (result.seconds !== undefined) return { toolUseId: use.id, seconds: result.seconds };
  const outcome = { output, isError };
  if (cause) host.log.warn({ run: run.id, tool: tool.name, err: cause as Error }, "a tool failed");
  host.metrics.toolCalled(tool.name, kind as ToolResultKind);
  host.metrics.toolTook(tool.body.kind, (performance.now() - begun) / 1000, exemplarOf(run.trace));
  if (!afterToolCall) return { use, outcome, executed: true, attempts, annotations: before };
  const made = { tool: tool.name, input, outcome };
  const seen = await checkedOutcome(afterToolCall, made, hookPlace(execution));
  const annotations = before || seen.annotations ? { ...before, ...seen.annotations } : undefined;
  return { use, outcome: seen.outcome, executed: true, attempts, annotations };
}
