import type { ContentBlock, Message, ToolExecution, UnreadExecution } from "../../database/runs/run.ts";
import type { Annotations } from "../hooks/hook.ts";
import { invalidInput } from "../model/fit-content.ts";
import type { Tools } from "../tools/registry.ts";
import type { ToolOutcome } from "../tools/tool.ts";

/** A tool call of the model. */
export interface ToolUse {
  id: string;
  name: string;
  input: unknown;
}

/** What has to be done for one tool call. A call is never in two of these, and every call ends in exactly one result. */
export type ToolTask =
  /** Its result is known. `refused`: it was not made, for what the model asked for cannot be. */
  | {
      do: "answer";
      use: ToolUse;
      outcome: ToolOutcome;
      annotations?: Annotations | undefined;
      refused?: { tool: string | undefined };
    }
  /** It runs here; `again`: it was cut short and may be repeated. */
  | {
      do: "execute";
      use: ToolUse;
      again: boolean;
      idempotencyKey: string | undefined;
      annotations?: Annotations | undefined;
    }
  /** A person is to be asked first. */
  | { do: "approve"; use: ToolUse; annotations?: Annotations | undefined }
  /** A person has been asked. @property seconds until nobody is waited for any more */
  | { do: "awaitApproval"; use: ToolUse; seconds: number }
  /** Another agent is to be asked. */
  | { do: "delegate"; use: ToolUse; agent: string; task: string }
  /** Another agent is at it. */
  | { do: "await"; use: ToolUse; agent: string };

/** What of the agent's configuration decides on a call. */
export interface ToolPolicy {
  tools: Tools;
  maxDepth: number;
  /** What becomes of a call on which nobody decides in time. */
  onTimeout: "Deny" | "Approve";
}

export const toolUsesOf = (message: Message | undefined): ToolUse[] =>
  message?.role !== "assistant"
    ? []
    : message.content
        .filter((it) => it.type === "tool_use")
        .map((it) => ({ id: String(it.id), name: String(it.name), input: it.input }));

const failed = (output: string): ToolOutcome => ({ output, isError: true });

const INTERRUPTED =
  "This call was interrupted: it may or may not have taken effect, and it was not repeated. Find out before you try again.";
const UNREADABLE = "The result of this call cannot be read.";
const NOBODY_DECIDED = "This call needs a person's approval, and nobody gave it in time. It was not made.";

function ofChild(execution: ToolExecution): ToolOutcome {
  if (execution.childState === "completed") return { output: execution.childResponse || "(no answer)", isError: false };
  const why = execution.childError?.message;
  if (execution.childState === "failed" || execution.childState === null)
    return failed(`the other agent failed: ${why ?? "no reason given"}`);
  return failed(`the other agent's run was cancelled${why ? `: ${why}` : ""}`);
}

function undecided(use: ToolUse, execution: ToolExecution, { onTimeout }: ToolPolicy): ToolTask {
  const seconds = execution.approvalSecondsLeft ?? 0;
  if (seconds > 0) return { do: "awaitApproval", use, seconds };
  if (onTimeout === "Deny") return { do: "answer", use, outcome: failed(NOBODY_DECIDED) };
  return { do: "execute", use, again: false, idempotencyKey: execution.idempotencyKey };
}

function known(asked: ToolUse, execution: ToolExecution, policy: ToolPolicy): ToolTask {
  const use = { ...asked, input: execution.input };
  const tool = policy.tools.get(use.name);
  if (execution.state === "completed" || execution.state === "failed") {
    return { do: "answer", use, outcome: { output: execution.output ?? "", isError: execution.isError ?? false } };
  }
  if (!execution.childRun && (!tool || tool.body.kind === "agent"))
    return { do: "answer", use, outcome: failed(`there is no tool ${use.name} any more`) };
  if (execution.state === "awaiting_approval") return undecided(use, execution, policy);
  const { idempotencyKey } = execution;
  if (execution.state === "approved") return { do: "execute", use, again: false, idempotencyKey };
  if (execution.childRun) {
    const { childState, childGivenUp } = execution;
    const over = childGivenUp || childState === null || ["completed", "failed", "cancelled"].includes(childState);
    const agent = tool?.body.kind === "agent" ? tool.body.agent : "";
    return over ? { do: "answer", use, outcome: ofChild(execution) } : { do: "await", use, agent };
  }
  if (tool?.idempotent) return { do: "execute", use, again: true, idempotencyKey };
  return { do: "answer", use, outcome: failed(INTERRUPTED) };
}

function fresh(use: ToolUse, { tools, maxDepth }: ToolPolicy, depth: number): ToolTask {
  const tool = tools.get(use.name);
  const answer = (output: string): ToolTask => ({
    do: "answer",
    use,
    outcome: failed(output),
    refused: { tool: tool?.name },
  });
  if (!tool) return answer(`there is no tool ${use.name}`);
  const wrong = invalidInput(use.input) ?? tool.check(use.input);
  if (wrong) return answer(`the input does not fit the tool's schema: ${wrong}`);
  if (tool.body.kind !== "agent")
    return tool.needsApproval
      ? { do: "approve", use }
      : { do: "execute", use, again: false, idempotencyKey: undefined };
  if (depth >= maxDepth)
    return answer(`agents may ask one another ${maxDepth} deep at most: answer without ${use.name}`);
  return { do: "delegate", use, agent: tool.body.agent, task: String((use.input as { task: unknown }).task) };
}

/**
 * What to do for the tool calls of the last message. `executions` is what was written of them: nothing, when they are new.
 * A call whose row says `running` although nobody runs it was cut short: only an idempotent tool is run again.
 */
export function toolTasks(uses: ToolUse[], executions: ToolExecution[], policy: ToolPolicy, depth: number): ToolTask[] {
  const written = new Map(executions.map((it) => [it.toolUseId, it]));
  return uses.map((use) => {
    const execution = written.get(use.id);
    return execution ? known(use, execution, policy) : fresh(use, policy, depth);
  });
}

export const resultBlock = (toolUseId: string, outcome: ToolOutcome): ContentBlock => ({
  type: "tool_result",
  tool_use_id: toolUseId,
  content: outcome.output || "(no output)",
  ...(outcome.isError ? { is_error: true } : {}),
});

export const isOver = ({ state }: UnreadExecution): boolean => state === "completed" || state === "failed";

/**
 * Answers to all open calls of the conversation's last message, when the run ends before they are answered: their pairs must not be parted.
 * @param executions what was written of the calls; without the results, when those cannot be read
 */
export function closingResults(
  last: Message | undefined,
  executions: (UnreadExecution & Partial<ToolExecution>)[],
  why: string,
): Message | undefined {
  const uses = toolUsesOf(last);
  if (!uses.length) return undefined;
  const written = new Map(executions.map((it) => [it.toolUseId, it]));
  const content = uses.map(({ id }) => {
    const it = written.get(id);
    if (!it || !isOver(it)) return resultBlock(id, failed(why));
    return resultBlock(id, {
      output: it.output === undefined ? UNREADABLE : (it.output ?? ""),
      isError: it.isError ?? false,
    });
  });
  return { role: "user", content };
}
