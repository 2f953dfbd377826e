import type { Message, Session } from "../../runtime/client.ts";
import { say } from "../say.ts";
import { table } from "../table.ts";
import { messageText } from "./message-text.ts";
import { type AgentOptions, withAgent } from "./with-agent.ts";

export interface SessionsOptions extends AgentOptions {
  /** Only sessions with all these entries, each `key=value`. */
  metadata?: string[];
  limit: number;
  output: "table" | "json";
}

/** `agentpg sessions AGENT`: the caller's sessions, the newest first. */
export async function listSessions(agentName: string, options: SessionsOptions): Promise<void> {
  const metadata = Object.fromEntries((options.metadata ?? []).map(entryOf));
  const { items } = await withAgent(agentName, options, (agent) => agent.sessions({ limit: options.limit, metadata }));
  if (options.output === "json") return say(JSON.stringify(items, undefined, 2));
  if (items.length === 0) return say(`no sessions: \`agentpg chat ${agentName} -n ${options.namespace}\` opens one`);
  say(table([["SESSION", "CREATED", "COMPACTIONS", "METADATA"], ...items.map(rowOf)]));
}

const rowOf = (it: Session): string[] => [
  it.id,
  it.createdAt,
  String(it.compactions),
  Object.entries(it.metadata)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(" "),
];

function entryOf(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new Error(`--metadata: ${text} is no key=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** `agentpg sessions AGENT SESSION`: the conversation. */
export async function showTranscript(agentName: string, session: string, options: SessionsOptions): Promise<void> {
  await withAgent(agentName, options, async (agent) => {
    const all: Message[] = [];
    for (let after: number | null = 0; after !== null; ) {
      const page = await agent.messages(session, after);
      if (options.output === "json") all.push(...page.items);
      else for (const message of page.items) say(`${message.role} ▸ ${messageText(message)}\n`);
      after = page.next;
    }
    if (options.output === "json") say(JSON.stringify(all, undefined, 2));
  });
}
