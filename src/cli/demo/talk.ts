import { SERVICE_ACCOUNT } from "../../kubernetes/resource-kind.ts";
import { POD } from "../../kubernetes/resource-kind.ts";
import { openAgent, readyPods, requestToken } from "../agent-access.ts";
import { converse } from "../conversation.ts";
import { waitFor } from "../wait.ts";
import type { Environment } from "./environment.ts";

export const VISITOR = "visitor";

/** A person of each tenant: a service account whose tokens the tenant's agents accept. */
export async function createVisitors({ client }: Environment): Promise<void> {
  for (const namespace of ["acme", "globex"]) {
    await client.apply(
      SERVICE_ACCOUNT,
      { metadata: { name: VISITOR, namespace }, automountServiceAccountToken: false },
      { fieldManager: "agentpg-demo" },
    );
  }
}

const say = (text: string) => process.stdout.write(`${text}\n`);

async function ask(
  environment: Environment,
  sessionId: string | undefined,
  questions: string[],
): Promise<{ sessionId: string; pod: string; answers: string[] }> {
  const open = await openAgent(environment, "acme", "support", () => requestToken(environment.client, "acme", VISITOR));
  try {
    const session = sessionId ?? (await open.agent.createSession()).id;
    const answers: string[] = [];
    for (const question of questions) {
      process.stdout.write(`\n  you     ▸ ${question}\n  support ▸ `);
      answers.push((await converse(open.agent, session, question)).response ?? "");
    }
    return { sessionId: session, pod: open.pod, answers };
  } finally {
    await open.close();
  }
}

const expectText = (answer: string | undefined, wanted: RegExp, what: string, simulated: boolean) => {
  // The real model words its answers as it likes; the simulated one is known to the letter.
  if (simulated && !wanted.test(answer ?? "")) throw new Error(`${what}: the answer was ${JSON.stringify(answer)}`);
};

/** A conversation with a tool call and a delegated question; the same session goes on after its pod is deleted. */
export async function talk(environment: Environment, simulated: boolean): Promise<void> {
  say("\n── A conversation with acme/support (streamed) ──");
  const first = await ask(environment, undefined, [
    "Where is order 1042?",
    "Ask the researcher to compare the blue lamp with the red one.",
  ]);
  expectText(first.answers[0], /lamp/, "the tool's answer did not reach the conversation", simulated);
  expectText(first.answers[1], /researcher says/i, "the delegated question was not answered", simulated);

  say(`\n── The pod is deleted; the session is in Postgres ──\n  kubectl -n acme delete pod ${first.pod}`);
  await environment.client.delete(POD, first.pod, "acme");
  await waitFor(
    () => readyPods(environment.client, "acme", "support"),
    (pods) => pods.some(({ metadata }) => metadata.name !== first.pod),
    { seconds: 90, say: () => "no new pod of acme/support is ready" },
  );
  const second = await ask(environment, first.sessionId, ["What did I ask you first?"]);
  expectText(second.answers[0], /order 1042/, "the new pod does not know the conversation", simulated);
  say(`  (answered by ${second.pod})`);
}
