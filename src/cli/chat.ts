import { createInterface } from "node:readline/promises";
import { KubernetesClient } from "../kubernetes/client.ts";
import { loadKubeConfig } from "../kubernetes/kube-config.ts";
import { openAgent, requestToken } from "./agent-access.ts";
import { converse } from "./conversation.ts";
import { type Interrupts, untilInterrupted } from "./chat-interrupt.ts";

export interface ChatOptions {
  namespace: string;
  kubeconfig?: string;
  /** Continue this session. */
  session?: string;
  /** The service account that speaks. */
  serviceAccount: string;
  /** A bearer token instead of a service account's, for tenants with their own issuer. */
  token?: string;
  /** Ask this and end. */
  message?: string;
}

/** `agentpg chat`: a conversation at the terminal. */
export async function chat(agentName: string, options: ChatOptions): Promise<number> {
  const config = loadKubeConfig(options.kubeconfig);
  const client = new KubernetesClient(config);
  const token = options.token
    ? () => Promise.resolve(options.token ?? "")
    : () => requestToken(client, options.namespace, options.serviceAccount);
  const open = await openAgent({ client, config }, options.namespace, agentName, token);
  try {
    // One that is not there, or another user's, is told of before a question is typed.
    const session = (await (options.session ? open.agent.session(options.session) : open.agent.createSession())).id;
    process.stderr.write(`session ${session} (continue it with --session ${session})\n`);
    const ask = (question: string, interrupts: Interrupts) =>
      untilInterrupted(open.agent, interrupts, (onRun) =>
        converse(open.agent, session, question, process.stdout, onRun),
      );
    if (options.message !== undefined) {
      await ask(options.message, process);
      return 0;
    }
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    for await (const line of askLines(terminal)) {
      await ask(line, terminal).catch((error: Error) => process.stderr.write(`\n${error.message}\n`));
    }
    return 0;
  } finally {
    await open.close();
    await config.close();
  }
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
