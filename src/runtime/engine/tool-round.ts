import type { ChildRun, FinishedExecution, StartedExecution } from "../../database/runs/apply-steps.ts";
import type { ContentBlock, Message, ToolExecution } from "../../database/runs/run.ts";
import type { Annotations } from "../hooks/hook.ts";
import type { ToolOutcome } from "../tools/tool.ts";
import { childTrace } from "../tracing/agent-tracing.ts";
import { uuidv7 } from "../uuid.ts";
import { auditLine } from "./audit.ts";
import type { BlockEvent } from "./events.ts";
import type { Execution } from "./execution.ts";
import { checkedCalls, checkedTasks } from "./message-hooks.ts";
import { isOver, resultBlock, type ToolTask, type ToolUse, toolTasks, toolUsesOf } from "./pending-tools.ts";
import { executeAll, type Postponed } from "./run-tools.ts";

export type Of<Kind extends ToolTask["do"]> = Extract<ToolTask, { do: Kind }>;
const only = <Kind extends ToolTask["do"]>(tasks: ToolTask[], kind: Kind): Of<Kind>[] =>
  tasks.filter((it): it is Of<Kind> => it.do === kind);

/** A call that is about to begin: to run, to wait for a person, or to be another agent's. */
export interface StartedCall {
  task: Of<"execute"> | Of<"delegate"> | Of<"approve">;
  row: StartedExecution;
}

interface Round {
  tasks: ToolTask[];
  started: StartedCall[];
  children: ChildRun[];
}

/** A call that has its result. */
export interface Finished {
  use: ToolUse;
  outcome: ToolOutcome;
  /** There is a row of it. */
  executed: boolean;
  attempts?: number;
  /** It was not made: for this tool, or for one that there is not. */
  refused?: { tool: string | undefined } | undefined;
  /** What hooks say of it. */
  annotations?: Annotations | undefined;
}

/** What the run has to wait for, beside calls that run here. */
interface Waits {
  agents: boolean;
  people: boolean;
  /** Until it is to be looked at again whatever happens. */
  seconds: number | null;
}

function childOf(execution: Execution, { use, agent, task }: Of<"delegate">): ChildRun {
  const { run } = execution;
  const id = uuidv7();
  return {
    id,
    sessionId: uuidv7(),
    agent,
    userId: run.userId,
    toolUseId: use.id,
    prompt: task,
    depth: run.depth + 1,
    variables: run.variables,
    trace: childTrace(run, id),
  };
}

/** What is about to happen, as it is written before it happens. */
function plan(execution: Execution, tasks: ToolTask[]): Round {
  const children = only(tasks, "delegate").map((task) => childOf(execution, task));
  const approvalSeconds = execution.host.config.approvals?.timeoutSeconds ?? 3600;
  const beginning = [...only(tasks, "execute"), ...only(tasks, "delegate"), ...only(tasks, "approve")];
  const started = beginning.map((task): StartedCall => {
    const child = children.find((it) => it.toolUseId === task.use.id);
    const row = {
      toolUseId: task.use.id,
      name: task.use.name,
      input: task.use.input ?? {},
      idempotencyKey: (task.do === "execute" ? task.idempotencyKey : undefined) ?? uuidv7(),
      ...(child ? { childRun: child.id } : {}),
      ...(task.do === "approve" ? { state: "awaiting_approval" as const, approvalSeconds } : {}),
    };
    return { task, row };
  });
  return { tasks, started, children };
}

function waitsOf({ tasks, started, children }: Round): Waits {
  const asked = started.flatMap(({ row }) => row.approvalSeconds ?? []);
  const waiting = only(tasks, "awaitApproval").map((it) => it.seconds);
  const seconds = [...asked, ...waiting];
  return {
    agents: children.length > 0 || only(tasks, "await").length > 0,
    people: seconds.length > 0,
    seconds: seconds.length ? Math.min(...seconds) + 0.1 : null,
  };
}

const stateOf = ({ people, agents }: Waits) =>
  people ? ("awaiting_approval" as const) : agents ? ("awaiting_agent" as const) : ("running" as const);

function auditOfStart(execution: Execution, { started, children }: Round) {
  const line = (action: string, detail: object) =>
    auditLine(execution.host.config, execution.run, action, detail as Record<string, unknown>);
  const asked = started.filter(({ task }) => task.do === "approve");
  return [
    ...children.map(({ toolUseId, agent, id, prompt }) =>
      line("agent.asked", { tool: toolUseId, to: agent, child: id, input: { task: prompt } }),
    ),
    ...asked.map(({ row }) => line("approval.requested", { tool: row.name, toolUse: row.toolUseId, input: row.input })),
  ];
}

/** Stores the calls, unless they are, and with them what is about to begin. A run that only waits is parked by the same write. */
async function begin(execution: Execution, round: Round, park: Waits | undefined): Promise<void> {
  const { callsAreStored, messages } = execution;
  const { content } = messages.at(-1) as Message;
  if (callsAreStored && !round.started.length && !park) return;
  await execution.store({
    to: park ? stateOf(park) : "running",
    wakeSeconds: park?.seconds ?? null,
    messages: callsAreStored ? [] : messages.slice(-1),
    started: round.started.map((it) => it.row),
    children: round.children,
    audit: auditOfStart(execution, round),
  });
  execution.callsAreStored = true;
  const asked = round.started.filter(({ task }) => task.do === "approve").length;
  if (asked) execution.host.metrics.approvals.inc({ outcome: "requested" }, asked);
  const announced = round.started.map((it) => announcement(it, content));
  if (callsAreStored) for (const { event } of announced) execution.channel.tell(event);
  else execution.channel.tellBlocks(announced);
}

function announcement({ task }: StartedCall, calls: ContentBlock[]): BlockEvent {
  const { id: toolUseId, name } = task.use;
  const block = calls.findIndex((it) => it.id === toolUseId);
  if (task.do === "delegate")
    return { event: { type: "delegation.started", data: { toolUseId, agent: task.agent } }, block };
  return { event: { type: "tool.started", data: { toolUseId, name } }, block };
}

const finishedRow = ({ use, outcome, attempts }: Finished): FinishedExecution => ({
  toolUseId: use.id,
  output: outcome.output,
  isError: outcome.isError,
  ...(attempts === undefined ? {} : { attempts }),
});

function auditOf(execution: Execution, { use, outcome, annotations }: Finished) {
  return auditLine(execution.host.config, execution.run, "tool.called", {
    tool: use.name,
    toolUse: use.id,
    input: use.input,
    success: !outcome.isError,
    ...(annotations ? { annotations } : {}),
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

function countFinished({ host }: Execution, finished: Finished[]): void {
  for (const { use, outcome, refused } of finished) {
    const isAgent = host.tools.get(use.name)?.body.kind === "agent";
    if (refused) host.metrics.toolCalled(refused.tool, "invalid");
    else if (isAgent) host.metrics.toolCalled(use.name, outcome.isError ? "error" : "ok");
  }
}

/**
 * Of calls that ended before the run was parked it is told again with the others: who listens now may not have heard it.
 * @param uses the calls that the results' message answers, block by block; left out: there is no such message yet
 */
function tellFinished({ channel, host }: Execution, finished: Finished[], uses?: ToolUse[]): void {
  const told = finished.map(({ use, outcome: { isError } }): BlockEvent => {
    const { id: toolUseId, name } = use;
    const body = host.tools.get(name)?.body;
    const block = uses?.findIndex((it) => it.id === toolUseId) ?? 0;
    if (body?.kind === "agent")
      return { event: { type: "delegation.finished", data: { toolUseId, agent: body.agent, isError } }, block };
    return { event: { type: "tool.finished", data: { toolUseId, name, isError } }, block };
  });
  if (uses) channel.tellBlocks(told);
  else for (const { event } of told) channel.tellAhead(event);
}

/** Calls of other agents are over with their answers, which came while nobody worked on this run. */
function traceAnswered({ host, run }: Execution, answers: Finished[], earlier: ToolExecution[]): void {
  for (const { use, outcome } of answers) {
    const childRun = earlier.find((it) => it.toolUseId === use.id)?.childRun;
    const call = { tool: use.name, toolUseId: use.id };
    if (childRun) host.tracing?.delegationEnded(run, { ...call, childRun }, outcome.isError ? "error" : undefined);
  }
}

/** Answers of other agents are what those may store; this one's policy may be stricter. */
function answered({ host }: Execution, tasks: ToolTask[], earlier: ToolExecution[]): Finished[] {
  return only(tasks, "answer").map(({ use, outcome, annotations, refused }) => ({
    use,
    outcome: host.protection?.outcome(outcome).value ?? outcome,
    annotations,
    refused,
    executed: earlier.some((it) => it.toolUseId === use.id),
  }));
}

async function tasksOf(execution: Execution, uses: ToolUse[], earlier: ToolExecution[]): Promise<ToolTask[]> {
  const { host, run } = execution;
  const { limits, approvals } = host.config;
  const policy = {
    tools: host.tools,
    maxDepth: limits.maxDelegationDepth,
    onTimeout: approvals?.onTimeout ?? ("Deny" as const),
  };
  noteExpired(execution, earlier, policy.onTimeout);
  const tasks = toolTasks(uses, earlier, policy, run.depth);
  const { beforeMessage, beforeToolCall } = host.hooks;
  const delegations = beforeMessage ? await checkedTasks(beforeMessage, tasks, execution) : tasks;
  return beforeToolCall ? checkedCalls(beforeToolCall, delegations, execution) : delegations;
}

function noteExpired(execution: Execution, earlier: ToolExecution[], onTimeout: "Deny" | "Approve"): void {
  for (const { state, toolUseId, approvalSecondsLeft } of earlier) {
    if (state !== "awaiting_approval" || (approvalSecondsLeft ?? 0) > 0) continue;
    execution.host.metrics.approvals.inc({ outcome: "expired" });
    execution.note("approval.decided", { toolUse: toolUseId, by: null, success: onTimeout === "Approve" });
  }
}

/** Other calls were cut short: what these gave must not be lost with them, nor be called anew. */
async function keepResults(execution: Execution, executed: Finished[], postponed: Postponed[]): Promise<void> {
  if (executed.length === 0 && postponed.length === 0) return;
  await execution.store({
    finished: executed.map(finishedRow),
    postponed: postponed.map((it) => it.toolUseId),
    audit: executed.map((it) => auditOf(execution, it)),
  });
  tellFinished(execution, executed);
}

/**
 * Brings the tool calls of the last message to their results: written before they run, run at the same time, and answered together
 * in one message. While other agents or people are waited for, or a tool wants to be called later, the run is parked, with what is
 * known by then.
 */
export async function runTools(execution: Execution): Promise<"answered" | "parked"> {
  const { host, run } = execution;
  const uses = toolUsesOf(execution.messages.at(-1));
  const earlier = (execution.executions ??= await host.toolExecutions(run.id));
  const round = plan(execution, await tasksOf(execution, uses, earlier));
  const waits = waitsOf(round);
  const calls = round.started.filter(({ task }) => task.do === "execute");
  const mustWait = waits.agents || waits.people;
  await begin(execution, round, mustWait && !calls.length ? waits : undefined);
  if (round.children.length) host.wake(round.children.map((it) => it.agent));
  if (mustWait && !calls.length) return "parked";

  const { executed, postponed, cut } = await executeAll(execution, calls);
  if (cut) {
    await keepResults(execution, executed, postponed);
    throw cut.reason;
  }
  const later = postponed.map((it) => it.seconds);
  const parks = mustWait || later.length > 0;
  const all = [...answered(execution, round.tasks, earlier), ...executed];
  const over = new Set(earlier.filter(isOver).map((it) => it.toolUseId));
  const unwritten = all.filter((it) => !over.has(it.use.id));
  await execution.store({
    to: stateOf(waits),
    wakeSeconds: parks ? soonest([...later, ...(waits.seconds === null ? [] : [waits.seconds])]) : null,
    messages: parks ? [] : [answersTo(uses, all)],
    finished: unwritten.filter((it) => it.executed).map(finishedRow),
    postponed: postponed.map((it) => it.toolUseId),
    // What has no row is looked at again when the run goes on, and told then.
    audit: unwritten.filter((it) => it.executed || !parks).map((it) => auditOf(execution, it)),
  });
  countFinished(execution, parks ? executed : unwritten);
  tellFinished(execution, parks ? executed : all, parks ? undefined : uses);
  traceAnswered(execution, unwritten, earlier);
  execution.executions = [];
  return parks ? "parked" : "answered";
}

const soonest = (seconds: number[]): number | null => (seconds.length ? Math.min(...seconds) : null);
