import { setTimeout as sleep } from "node:timers/promises";
import { keyOf, type KubernetesObject } from "../../src/kubernetes/object.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import {
  CONFIG_MAP,
  DEPLOYMENT,
  NETWORK_POLICY,
  SERVICE,
  SERVICE_ACCOUNT,
} from "../../src/kubernetes/resource-kind.ts";
import { AGENT } from "../../src/operator/caches.ts";
import { selectorOf } from "../../src/operator/labelled-pods.ts";
import { AGENT_LABEL } from "../../src/operator/labels.ts";
import { conditionOf, type Conditioned } from "../../test/support/operator-harness.ts";
import { median } from "../median.ts";
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

/** Deletes an Agent, and waits until all that was its own is gone: the fleet is as it was before. */
async function deleteAgent(client: KubernetesClient, { name, namespace }: AgentName): Promise<void> {
  await client.delete(AGENT, name, namespace);
  const labelSelector = selectorOf({ [AGENT_LABEL]: name });
  // Nobody collects garbage here.
  for (const kind of [DEPLOYMENT, SERVICE, SERVICE_ACCOUNT, CONFIG_MAP])
    for (const { metadata } of await client.list<KubernetesObject>(kind, namespace, { labelSelector }))
      await client.delete(kind, metadata.name, namespace);
  // The operator takes this one away.
  while ((await client.list(NETWORK_POLICY, namespace, { labelSelector })).length > 0) await sleep(200);
}

/** Seconds since the process was started, or, of an Agent, since that was created. */
export interface RestartTimes {
  /** Until every Tenant and every Agent was looked at. */
  restartSyncSeconds: number;
  restartFirstReconcileSeconds: number;
  newAgentAtStartSeconds: number;
  newAgentDuringRestartSeconds: number;
}

/** One start is 10 % faster or slower than the next on a machine that others use too. */
export function medianTimes(all: RestartTimes[]): RestartTimes {
  const of = (key: keyof RestartTimes) => median(all.map((it) => it[key]));
  return {
    restartSyncSeconds: of("restartSyncSeconds"),
    restartFirstReconcileSeconds: of("restartFirstReconcileSeconds"),
    newAgentAtStartSeconds: of("newAgentAtStartSeconds"),
    newAgentDuringRestartSeconds: of("newAgentDuringRestartSeconds"),
  };
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
): Promise<{ operator: OperatorProgram; times: RestartTimes }> {
  const startedAt = Date.now() / 1000; // what the operator tells is wall time too
  const operator = await start();
  const [atStart, inBacklog] = [
    { namespace, name: "new-at-start" },
    { namespace, name: "new-in-backlog" },
  ];
  const first = servedSeconds(client, watcher, atStart);
  while (!(await operator.metrics())("controller_runtime_reconcile_total", { controller: "agent" }))
    await sleep(ASK_EVERY_MS);
  const leadsAfter = Date.now() / 1000 - startedAt;
  const second = servedSeconds(client, watcher, inBacklog);
  const metric = await untilWorkedOff(operator, agents);
  const caughtUp = ["tenant", "agent"].map((controller) => metric(CAUGHT_UP, { controller }) || Number.NaN);
  const times = {
    restartSyncSeconds: Math.max(...caughtUp) - startedAt,
    restartFirstReconcileSeconds: leadsAfter,
    newAgentAtStartSeconds: await first,
    newAgentDuringRestartSeconds: await second,
  };
  // Their Tenant's security checks count Agents: a later look would have something new to say.
  for (const name of [atStart, inBacklog]) await deleteAgent(client, name);
  return { operator, times };
}
