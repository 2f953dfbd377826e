import type { ContentBlock } from "../../database/runs/run.ts";
import type { HookPlace, Hooks, Ruling } from "../hooks/hook.ts";
import { checkedInput } from "../hooks/tool-calls.ts";
import { textOf } from "../model/accumulate.ts";
import type { Execution } from "./execution.ts";
import type { ToolTask } from "./pending-tools.ts";
import { RunFailed } from "./stop.ts";

/** Where the hooks of an execution are called. */
export function hookPlace({ run, signal }: Execution): HookPlace {
  const { id: runId, sessionId, userId, variables } = run;
  return { runId, sessionId, userId, variables, signal };
}

/** What the audit log says of a ruling; undefined when there is nothing to say. */
export function auditOfRuling(ruling: Ruling<unknown>): Record<string, unknown> | undefined {
  const { annotations } = ruling;
  if (ruling.blocked) return { success: false, hook: ruling.hook, reason: ruling.reason, annotations };
  return ruling.changed || annotations ? { success: true, changed: ruling.changed, annotations } : undefined;
}

/**
 * The model's answer, as its hooks let it pass. Its text was held back until now, and is told here at once.
 * @throws RunFailed `blocked`, or the signal's reason
 */
export async function checkedAnswer(
  afterMessage: NonNullable<Hooks["afterMessage"]>,
  content: ContentBlock[],
  execution: Execution,
): Promise<ContentBlock[]> {
  const ruling = await afterMessage(content, hookPlace(execution));
  const audit = auditOfRuling(ruling);
  if (audit) execution.note("answer.checked", audit);
  if (ruling.blocked) throw new RunFailed("blocked", `the answer was blocked by hook ${ruling.hook}: ${ruling.reason}`);
  const text = textOf(ruling.value);
  if (text) execution.channel.part({ type: "text.delta", data: { text } });
  return ruling.value;
}

/** The tasks, with those for other agents as the hooks let them pass; of one that is blocked the model reads why. @throws the signal's reason */
export async function checkedTasks(
  beforeMessage: NonNullable<Hooks["beforeMessage"]>,
  tasks: ToolTask[],
  execution: Execution,
): Promise<ToolTask[]> {
  const checked: ToolTask[] = [];
  for (const it of tasks) {
    checked.push(it.do === "delegate" ? await checkedTask(beforeMessage, it, execution) : it);
  }
  return checked;
}

/**
 * The calls, with their inputs as the hooks let them pass: before they are written, so that what a person is shown, what is in the
 * books and what is run are the same. Those that are written already were checked then.
 */
export async function checkedCalls(
  beforeToolCall: NonNullable<Hooks["beforeToolCall"]>,
  tasks: ToolTask[],
  execution: Execution,
): Promise<ToolTask[]> {
  return Promise.all(tasks.map(async (it) => (isNewCall(it) ? checkedCall(beforeToolCall, it, execution) : it)));
}

type NewCall = Extract<ToolTask, { do: "execute" | "approve" }>;
const isNewCall = (task: ToolTask): task is NewCall =>
  task.do === "approve" || (task.do === "execute" && task.idempotencyKey === undefined);

async function checkedCall(
  beforeToolCall: NonNullable<Hooks["beforeToolCall"]>,
  task: NewCall,
  execution: Execution,
): Promise<ToolTask> {
  const { use } = task;
  const tool = execution.host.tools.get(use.name);
  if (!tool) return task;
  const given = (use.input ?? {}) as Record<string, unknown>;
  const checked = await checkedInput(beforeToolCall, tool, given, hookPlace(execution));
  const { annotations } = checked;
  if ("refused" in checked) {
    execution.host.metrics.toolCalled(tool.name, "blocked");
    return { do: "answer", use, outcome: checked.refused, annotations };
  }
  return { ...task, use: { ...use, input: checked.input }, annotations };
}

async function checkedTask(
  beforeMessage: NonNullable<Hooks["beforeMessage"]>,
  task: Extract<ToolTask, { do: "delegate" }>,
  execution: Execution,
): Promise<ToolTask> {
  const ruling = await beforeMessage({ text: task.task, delegatedTo: task.agent }, hookPlace(execution));
  const audit = auditOfRuling(ruling);
  if (audit) execution.note("message.checked", { to: task.agent, toolUse: task.use.id, ...audit });
  if (!ruling.blocked) return { ...task, task: ruling.value.text };
  const output = `the task was blocked by hook ${ruling.hook}: ${ruling.reason}`;
  return { do: "answer", use: task.use, outcome: { output, isError: true } };
}
