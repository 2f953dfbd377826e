import type { AgentClient, RunEvent, RunResult } from "../runtime/client.ts";
import { harmless } from "./agents/message-text.ts";

type Out = Pick<NodeJS.WriteStream, "write"> & { isTTY?: boolean };

/** What happens beside the answer. Names and reasons in it come from a model, so they give the terminal no orders. */
const dim = (out: Out, text: string): string => (out.isTTY ? `\x1b[2m${harmless(text)}\x1b[0m` : harmless(text));

type Decided = Extract<RunEvent, { type: "approval.decided" }>["data"];

export function decisionText({ name, approved, by, reason }: Decided): string {
  const outcome = `${name} was ${approved ? "approved" : "denied"}`;
  if (by === null) return `${outcome}: nobody decided in time`;
  return harmless(`${outcome} by ${by}${reason ? `: ${reason}` : ""}`);
}

/**
 * Asks, and writes the answer as it comes, tool calls and delegations included. `onRun` hears what the run is called, more than
 * once perhaps. @throws Error when the run does not complete
 */
export async function converse(
  agent: AgentClient,
  sessionId: string,
  question: string,
  out: Out = process.stdout,
  onRun: (runId: string) => void = () => {},
): Promise<RunResult> {
  for await (const event of agent.run(sessionId, question)) {
    if (event.type === "run.queued" || event.type === "run.started") onRun(event.data.runId);
    switch (event.type) {
      case "text.delta":
        out.write(harmless(event.data.text));
        break;
      case "tool.started":
        out.write(dim(out, `\n    [calls tool ${event.data.name}]`));
        break;
      case "tool.finished":
        out.write(dim(out, event.data.isError ? " failed\n    " : " done\n    "));
        break;
      case "delegation.started":
        out.write(dim(out, `\n    [asks agent ${event.data.agent}]`));
        break;
      case "delegation.finished":
        out.write(dim(out, event.data.isError ? " failed\n    " : " answered\n    "));
        break;
      case "restarted":
        out.write(dim(out, `\n    [starts over: ${event.data.reason}]\n    `));
        break;
      case "run.failed":
      case "run.cancelled":
        throw new Error(
          harmless(`the run ended as ${event.data.state}: ${event.data.error?.message ?? "no reason given"}`),
        );
      case "run.completed":
        out.write("\n");
        return event.data;
      case "compaction.started":
        out.write(dim(out, "\n    [shortens the conversation]\n    "));
        break;
      case "approval.requested":
        out.write(dim(out, `\n    [waits for your approval of ${event.data.name} (${event.data.toolUseId})]\n    `));
        break;
      case "approval.decided":
        out.write(dim(out, `\n    [${decisionText(event.data)}]\n    `));
        break;
      case "batch.submitted":
        out.write(dim(out, "\n    [waits for a message batch]\n    "));
        break;
      case "compaction.finished":
      case "run.queued":
      case "run.started":
        break;
    }
  }
  throw new Error("the stream ended before the run did");
}
