import { createInterface } from "node:readline/promises";
import type { AgentClient } from "../runtime/client.ts";
import { harmless } from "./agents/message-text.ts";
import { type AgentOptions, withAgent } from "./agents/with-agent.ts";
import { converse } from "./conversation.ts";
import { type Interrupts, untilInterrupted } from "./chat-interrupt.ts";

export interface ChatOptions extends AgentOptions {
  /** Continue this session. */
  session?: string;
  /** Ask this and end. */
  message?: string;
}

/** `agentpg chat`: a conversation at the terminal. @throws Error for an empty message, before there is a session for it */
export async function chat(agentName: string, options: ChatOptions): Promise<number> {
  if (options.message?.trim() === "")
    throw new Error("the message of --message is empty: say what to ask, or leave it out for a conversation");
  return withAgent(agentName, options, (agent) => talk(agent, options));
}

async function talk(agent: AgentClient, options: ChatOptions): Promise<number> {
  // One that is not there, or another user's, is told of before a question is typed.
  const session = (await (options.session ? agent.session(options.session) : agent.createSession())).id;
  process.stderr.write(`session ${session} (continue it with --session ${session})\n`);
  const ask = (question: string, interrupts: Interrupts) =>
    untilInterrupted(agent, interrupts, (onRun) => converse(agent, session, question, process.stdout, onRun));
  if (options.message !== undefined) {
    await ask(options.message, process);
    return 0;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  for await (const line of askLines(terminal)) {
    await ask(line, terminal).catch((error: Error) => process.stderr.write(`\n${harmless(error.message)}\n`));
  }
  return 0;
}

async function* askLines(terminal: ReturnType<typeof createInterface>): AsyncGenerator<string> {
  let open = true;
  terminal.once("close", () => (open = false));
  terminal.on("SIGINT", () => {
    // While a question is answered, Ctrl-C ends the answer: see untilInterrupted.
    if (terminal.listenerCount("SIGINT") === 1) terminal.close();
  });
  terminal.setPrompt("you ▸ ");
  terminal.prompt();
  for await (const line of terminal) {
    if (line.trim()) yield line;
    if (open) terminal.prompt(); // the input may have ended while the agent answered
  }
}
