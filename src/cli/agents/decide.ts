import type { AgentClient, ApprovalPage } from "../../runtime/client.ts";
import { say } from "../say.ts";
import { table } from "../table.ts";
import { harmless } from "./message-text.ts";
import { type AgentOptions, withAgent } from "./with-agent.ts";

export interface DecideOptions extends AgentOptions {
  /** Of a denial: what the model is told. */
  reason?: string;
  output: "table" | "json";
}

type Waiting = ApprovalPage["items"][number];

/** `agentpg approvals AGENT`: the tool calls that wait for a person. */
export async function listApprovals(agentName: string, options: DecideOptions): Promise<void> {
  const items = await withAgent(agentName, options, async (agent) => {
    const all: Waiting[] = [];
    for await (const it of waitingCalls(agent)) all.push(it);
    return all;
  });
  if (options.output === "json") return say(JSON.stringify(items, undefined, 2));
  if (items.length === 0) return say("no tool call waits for a person");
  const rows = items.map((it) => [
    it.toolUseId,
    it.tool,
    it.user,
    it.mayDecide ? "yes" : "no",
    it.expiresAt,
    harmless(JSON.stringify(it.input)),
  ]);
  say(table([["CALL", "TOOL", "USER", "YOU DECIDE", "UNTIL", "INPUT"], ...rows]));
}

/** `agentpg approve | deny AGENT CALL`. @throws Error that says which calls wait, when this one does not */
export async function decide(agentName: string, call: string, approve: boolean, options: DecideOptions): Promise<void> {
  await withAgent(agentName, options, async (agent) => {
    const waiting = await waitingCall(agent, call);
    const decided = await agent.decide(waiting.runId, waiting.toolUseId, approve, options.reason);
    if (options.output === "json") say(JSON.stringify(decided));
    else
      say(`${waiting.tool} of ${waiting.user} was ${decided.approved ? "approved" : "denied"} (run ${waiting.runId})`);
  });
}

async function* waitingCalls(agent: AgentClient): AsyncGenerator<Waiting> {
  let after: string | null = null;
  do {
    const page: ApprovalPage = await agent.approvals(after === null ? {} : { after });
    yield* page.items;
    after = page.next;
  } while (after !== null);
}

/** Calls that are named when one is not found. */
const MOST_NAMED = 20;

async function waitingCall(agent: AgentClient, call: string): Promise<Waiting> {
  const others: string[] = [];
  for await (const it of waitingCalls(agent)) {
    if (it.toolUseId === call) return it;
    if (others.length < MOST_NAMED) others.push(it.toolUseId);
  }
  const which = others.length ? `these do: ${others.join(", ")}` : "none does";
  throw new Error(`no call ${call} waits for a person; ${which}`);
}
