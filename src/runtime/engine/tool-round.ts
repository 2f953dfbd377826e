import type { ChildRun, FinishedExecution, StartedExecution } from "../../database/runs/apply-steps.ts";
import type { Message } from "../../database/runs/run.ts";
import { executeTool } from "../tools/execute.ts";
import type { Tool } from "../tools/registry.ts";
import type { LocalTool, ToolOutcome } from "../tools/tool.ts";
import { uuidv7 } from "../uuid.ts";
import { auditLine } from "./audit.ts";
import type { Execution } from "./execution.ts";
import { resultBlock, type ToolTask, type ToolUse, toolTasks, toolUsesOf } from "./pending-tools.ts";

/** How deep agents may ask one another. */
export const MAX_DEPTH = 5;

type Of<Kind extends ToolTask["do"]> = Extract<ToolTask, { do: Kind }>;
const only = <Kind extends ToolTask["do"]>(tasks: ToolTask[], kind: Kind): Of<Kind>[] =>
  tasks.filter((it): it is Of<Kind> => it.do === kind);

interface Round {
  tasks: ToolTask[];
  started: { task: Of<"execute"> | Of<"delegate">; row: StartedExecution }[];
  children: ChildRun[];
}

function childOf(execution: Execution, { use, agent, task }: Of<"delegate">): ChildRun {
  const { run } = execution;
  return {
    id: uuidv7(),
    sessionId: uuidv7(),
    agent,
    userId: run.userId,
    toolUseId: use.id,
    prompt: task,
    depth: run.depth + 1,
    variables: run.variables,
  };
}

/** What is about to happen, as it is written before it happens. */
function plan(execution: Execution, tasks: ToolTask[]): Round {
  const children = only(tasks, "delegate").map((task) => childOf(execution, task));
  const started = [...only(tasks, "execute"), ...only(tasks, "delegate")].map((task) => ({
    task,
    row: {
      toolUseId: task.use.id,
      name: task.use.name,
      input: task.use.input ?? {},
      idempotencyKey: (task.do === "execute" ? task.idempotencyKey : undefined) ?? uuidv7(),
      ...childRunOf(children, task.use.id),
    },
  }));
  return { tasks, started, children };
}

function childRunOf(children: ChildRun[], toolUseId: string): { childRun?: string } {
  const child = children.find((it) => it.toolUseId === toolUseId);
  return child ? { childRun: child.id } : {};
}

/** Stores the calls, unless they are, and with them what is about to be started. A run that only waits for agents is parked by the same write. */
async function begin(execution: Execution, round: Round, park: boolean): Promise<void> {
  const { callsAreStored, messages } = execution;
  const delegations = round.children.map((it) =>
    auditLine(execution.host.config, execution.run, "agent.asked", {
      tool: it.toolUseId,
      to: it.agent,
      child: it.id,
      input: { task: it.prompt },
    }),
  );
  if (callsAreStored && !round.started.length && !park) return;
  await execution.store({
    to: park ? "awaiting_agent" : "running",
    messages: callsAreStored ? [] : messages.slice(-1),
    started: round.started.map((it) => it.row),
    children: round.children,
    audit: delegations,
  });
  execution.callsAreStored = true;
  announce(execution, round);
}

function announce({ channel }: Execution, round: Round): void {
  for (const { task } of round.started) {
    const { id: toolUseId, name } = task.use;
    if (task.do === "delegate") channel.tell({ type: "delegation.started", data: { toolUseId, agent: task.agent } });
    else channel.tell({ type: "tool.started", data: { toolUseId, name } });
  }
}

async function executeOne(execution: Execution, { task, row }: Round["started"][number]): Promise<Finished> {
  const { host, run, signal } = execution;
  const tool = host.tools.get(task.use.name) as Tool & { body: LocalTool };
  const input = (task.use.input ?? {}) as Record<string, unknown>;
  const { id: runId, sessionId, userId, variables } = run;
  const call = { input, idempotencyKey: row.idempotencyKey, runId, sessionId, userId, variables };
  const { kind, cause, ...outcome } = await executeTool(tool, call, signal);
  if (cause) host.log.warn({ run: run.id, tool: tool.name, err: cause as Error }, "a tool failed");
  host.metrics.toolCalls.inc({ tool: tool.name, outcome: kind });
  return { use: task.use, outcome, executed: true };
}

interface Finished {
  use: ToolUse;
  outcome: ToolOutcome;
  /** There is a row of it. */
  executed: boolean;
}

const finishedRow = ({ use, outcome }: Finished): FinishedExecution => ({
  toolUseId: use.id,
  output: outcome.output,
  isError: outcome.isError,
});

function auditOf(execution: Execution, { use, outcome }: Finished) {
  return auditLine(execution.host.config, execution.run, "tool.called", {
    tool: use.name,
    toolUse: use.id,
    input: use.input,
    success: !outcome.isError,
  });
}

/** The answers to all calls, in the order of the calls. */
function answersTo(uses: ToolUse[], finished: Finished[]): Message {
  const by = new Map(finished.map((it) => [it.use.id, it.outcome]));
  return {
    role: "user",
    content: uses.map(({ id }) => resultBlock(id, by.get(id) ?? { output: "the call has no result", isError: true })),
  };
}

function tellFinished({ channel, host }: Execution, finished: Finished[]): void {
  for (const { use, outcome } of finished) {
    const { id: toolUseId, name } = use;
    const body = host.tools.get(name)?.body;
    if (body?.kind === "agent")
      channel.tell({ type: "delegation.finished", data: { toolUseId, agent: body.agent, isError: outcome.isError } });
    else channel.tell({ type: "tool.finished", data: { toolUseId, name, isError: outcome.isError } });
  }
}

/**
 * Brings the tool calls of the last message to their results: written before they run, run at the same time, and answered together
 * in one message. When other agents are still at work the run is parked, with what is known by then.
 */
export async function runTools(execution: Execution): Promise<"answered" | "parked"> {
  const { host, run } = execution;
  const uses = toolUsesOf(execution.messages.at(-1));
  const earlier = (execution.executions ??= await host.toolExecutions(run.id));
  const round = plan(execution, toolTasks(uses, earlier, host.tools, run.depth, MAX_DEPTH));
  const waits = round.children.length > 0 || only(round.tasks, "await").length > 0;
  const runsHere = round.started.some(({ task }) => task.do === "execute");
  await begin(execution, round, waits && !runsHere);
  if (round.children.length) host.wake(round.children.map((it) => it.agent));
  if (waits && !runsHere) return "parked";

  const executed = await Promise.all(
    round.started.filter(({ task }) => task.do === "execute").map((it) => executeOne(execution, it)),
  );
  const answered = only(round.tasks, "answer").map(({ use, outcome }) => ({
    use,
    outcome,
    executed: earlier.some((it) => it.toolUseId === use.id),
  }));
  const all = [...answered, ...executed];
  const unwritten = all.filter(
    (it) =>
      earlier.find((row) => row.toolUseId === it.use.id)?.state !== "completed" &&
      earlier.find((row) => row.toolUseId === it.use.id)?.state !== "failed",
  );
  const answer = waits ? undefined : answersTo(uses, all);
  await execution.store({
    to: waits ? "awaiting_agent" : "running",
    messages: answer ? [answer] : [],
    finished: unwritten.filter((it) => it.executed).map(finishedRow),
    audit: unwritten.map((it) => auditOf(execution, it)),
  });
  tellFinished(execution, waits ? executed : unwritten);
  execution.executions = [];
  return waits ? "parked" : "answered";
}
