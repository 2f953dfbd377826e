import { setTimeout as sleep } from "node:timers/promises";
import { keyOf } from "../../src/kubernetes/object.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { AGENT } from "../../src/operator/caches.ts";
import { conditionOf, type Conditioned } from "../../test/support/operator-harness.ts";
import { benchAgent, type AgentName } from "./fleet.ts";
import { ASK_EVERY_MS, untilWorkedOff, type OperatorProgram } from "./operator-process.ts";
import type { Watcher } from "./watcher.ts";

const CAUGHT_UP = "agentpg_controller_caught_up_timestamp_seconds";

const seconds = (since: number) => (performance.now() - since) / 1000;

async function servedSeconds(
  client: KubernetesClient,
  watcher: Watcher<Conditioned>,
  name: AgentName,
): Promise<number> {
  const started = performance.now();
  const ready = watcher.until([keyOf({ metadata: name })], (it) => conditionOf(it, "Ready")?.status === "True");
  await client.create(AGENT, benchAgent(name), name.namespace);
  await ready;
  return seconds(started);
}

/**
 * Starts an operator over a fleet that needs nothing: seconds until it has looked at every Agent, and until it has served
 * two new ones, of which one is created as the process starts and one when its caches are filled and the backlog begins.
 */
export async function measureRestart(
  start: () => Promise<OperatorProgram>,
  {
    client,
    watcher,
    agents,
    namespace,
  }: { client: KubernetesClient; watcher: Watcher<Conditioned>; agents: number; namespace: string },
) {
  const startedAt = Date.now();
  const started = performance.now();
  const operator = await start();
  const first = servedSeconds(client, watcher, { namespace, name: "new-at-start" });
  while (!(await operator.metrics())("controller_runtime_reconcile_total", { controller: "agent" }))
    await sleep(ASK_EVERY_MS);
  const leadsAfter = seconds(started);
  const second = servedSeconds(client, watcher, { namespace, name: "new-in-backlog" });
  const metric = await untilWorkedOff(operator, agents);
  const caughtUp = ["tenant", "agent"].map((controller) => metric(CAUGHT_UP, { controller }) || Number.NaN);
  return {
    operator,
    restartSyncSeconds: Math.max(...caughtUp) - startedAt / 1000,
    restartFirstReconcileSeconds: leadsAfter,
    newAgentAtStartSeconds: await first,
    newAgentDuringRestartSeconds: await second,
  };
}
