import { METRICS_PORT } from "../../api/agent-config.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import { forwardPort } from "../../kubernetes/port-forward.ts";
import { POD } from "../../kubernetes/resource-kind.ts";
import { readyPods } from "../agent-access.ts";
import type { Environment } from "./environment.ts";
import { OPERATOR_NAMESPACE } from "./paths.ts";

async function scrape({ config }: Environment, namespace: string, pod: string): Promise<string> {
  const forwarded = await forwardPort(config, namespace, pod, METRICS_PORT);
  try {
    return await (
      await fetch(`http://127.0.0.1:${forwarded.port}/metrics`, { headers: { connection: "close" } })
    ).text();
  } finally {
    await forwarded.close();
  }
}

/** Series of nothing that has happened yet are left out. */
const lines = (text: string, wanted: RegExp, most: number) =>
  text
    .split("\n")
    .filter((it) => wanted.test(it) && !it.endsWith(" 0"))
    .slice(0, most);

/** A few of the metrics that Prometheus would scrape. @throws Error when the ones that must be there are not */
export async function showMetrics(environment: Environment): Promise<void> {
  process.stdout.write("\n── Metrics ──\n");
  const [agent] = await readyPods(environment.client, "acme", "support");
  const [operator] = await environment.client.list<KubernetesObject>(POD, OPERATOR_NAMESPACE, {
    labelSelector: "app.kubernetes.io/name=agentpg-operator",
  });
  if (!agent || !operator) throw new Error("there is no pod to scrape");
  const shown = [
    ...lines(
      await scrape(environment, "acme", agent.metadata.name),
      /^agentpg_(runs_total|model_tokens_total|model_usd_total|tool_calls_total)\{/,
      6,
    ),
    ...lines(
      await scrape(environment, OPERATOR_NAMESPACE, operator.metadata.name),
      /^(controller_runtime_reconcile_total|leader_election_master_status)\{/,
      5,
    ),
  ];
  for (const line of shown) process.stdout.write(`  ${line}\n`);
  if (
    !shown.some((it) => it.startsWith("agentpg_runs_total")) ||
    !shown.some((it) => it.startsWith("controller_runtime"))
  ) {
    throw new Error("the metrics that the demo looks for are missing");
  }
}
