import { OPERATOR_NAMESPACE } from "../../src/cli/demo/paths.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { PooledKubeConfig } from "../../src/kubernetes/kube-config.ts";
import { forwardPort } from "../../src/kubernetes/port-forward.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import type { Pod } from "./bystanders.ts";

/** The operator's pods, those that are ending among them. */
export const operatorPods = (
  client: KubernetesClient,
): Promise<(Pod & { metadata: { deletionTimestamp?: string } })[]> =>
  client.list(kinds.POD, OPERATOR_NAMESPACE, { labelSelector: "app.kubernetes.io/name=agentpg-operator" });

async function metricsOf(config: PooledKubeConfig, pod: Pod): Promise<string> {
  const { port, close } = await forwardPort(config, OPERATOR_NAMESPACE, pod.metadata.name, 9090);
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { connection: "close" } });
    return await answer.text();
  } finally {
    await close();
  }
}

/** Whether the leading operator has looked at so many Tenants and Agents since its start, and has nothing more to do. */
export async function lookedAt(
  { client, config }: { client: KubernetesClient; config: PooledKubeConfig },
  wanted: { tenants: number; agents: number },
): Promise<boolean> {
  for (const pod of await operatorPods(client)) {
    const text = await metricsOf(config, pod);
    if (!/^leader_election_master_status\{.*\} 1$/m.test(text)) continue;
    const sum = (metric: RegExp) => [...text.matchAll(metric)].reduce((all, [, value]) => all + Number(value), 0);
    const reconciled = (controller: string) =>
      sum(new RegExp(`^controller_runtime_reconcile_total\\{controller="${controller}",.*\\} (\\d+)$`, "gm"));
    const rests = sum(/^workqueue_depth\{.*\} (\d+)$/gm) === 0;
    return rests && reconciled("tenant") >= wanted.tenants && reconciled("agent") >= wanted.agents;
  }
  return false;
}
