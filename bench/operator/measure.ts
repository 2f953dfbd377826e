import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { DEPLOYMENT } from "../../src/kubernetes/resource-kind.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { operatorConfig } from "../../src/operator/config.ts";
import { MANAGED_SELECTOR } from "../../src/operator/labels.ts";
import type { Progress } from "../../src/telemetry/progress.ts";
import { connect } from "../../test/support/custom-resources.ts";
import type { Conditioned } from "../../test/support/operator-harness.ts";
import { bareLoop, OWNED_OBJECTS } from "./bare-loop.ts";
import { rollOutAtOnce } from "./deployment-controller.ts";
import { effectOfChanges } from "./effect.ts";
import { agentNames, provisionTenants, serveAgents, tenantNames, type AgentName } from "./fleet.ts";
import { operatorFiles, startOperatorProgram, untilWorkedOff } from "./operator-process.ts";
import { childPid, cpuSeconds, memoryMiB } from "./process-cost.ts";
import { measureRestart, medianTimes, type RestartTimes } from "./restart.ts";
import { steadyState } from "./steady.ts";
import { Watcher } from "./watcher.ts";
import { userName, type World } from "./world.ts";

export interface Plan {
  agents: number;
  tenants: number;
  bundle: string;
  nodeFlags: string[];
  progress: Progress;
}

/** The programs of one world, ready to be measured: Tenants are there, no Agent yet. */
export async function openFleet(world: World, plan: Plan) {
  const { client, close } = connect(await world.kubeconfigOf("bench"));
  const other = connect(await world.kubeconfigOf("deployment-controller"));
  world.onStop(() => Promise.all([close(), other.close()]));
  const [tenants, agents, deployments] = await Promise.all([
    Watcher.start<Conditioned>(client, TENANT),
    Watcher.start<Conditioned>(client, AGENT),
    Watcher.start<KubernetesObject>(other.client, DEPLOYMENT),
  ]);
  world.onStop(() => Promise.all([tenants.stop(), agents.stop(), deployments.stop()]));
  rollOutAtOnce(other.client, deployments);
  const files = await operatorFiles(world);
  const start = () => startOperatorProgram(world, files, plan.bundle, plan.nodeFlags);
  const operator = await start();
  const names = tenantNames(plan.tenants);
  await plan.progress.step(`${plan.tenants} Tenants become ready`, () => provisionTenants(client, tenants, names));
  const config = operatorConfig.parse(JSON.parse(await readFile(files.config, "utf8")));
  return { world, client, agents, deployments, operator, start, names, config };
}
export type Fleet = Awaited<ReturnType<typeof openFleet>>;

/** Owned objects of these Agents that are not there: none, or the measurement is void. */
async function missingObjects({ client, names }: Fleet, agents: number): Promise<number> {
  let found = 0;
  const owned = ["networkpolicies", "serviceaccounts", "configmaps", "services", "deployments"];
  const groups: Record<string, string> = { networkpolicies: "networking.k8s.io/v1", deployments: "apps/v1" };
  for (const plural of owned) {
    const kind = { apiVersion: groups[plural] ?? "v1", kind: "", plural, namespaced: true };
    const labelSelector = `${MANAGED_SELECTOR},agentpg.dev/agent`;
    for (const it of await client.list<KubernetesObject>(kind, undefined, { labelSelector }))
      if (names.includes(it.metadata.namespace ?? "")) found++;
  }
  return agents * OWNED_OBJECTS - found;
}

/** CPU that the server, its store and the operator used for a piece of work. */
async function withCost<T>(operatorPid: number | undefined, work: () => Promise<T>) {
  const pids = { apiServer: childPid("kube-apiserver"), etcd: childPid("etcd"), operator: operatorPid };
  const read = () => ({
    apiServer: cpuSeconds(pids.apiServer) + cpuSeconds(pids.etcd),
    operator: pids.operator === undefined ? 0 : cpuSeconds(pids.operator),
  });
  const before = read();
  const result = await work();
  const after = read();
  return {
    result,
    serverCpuSeconds: after.apiServer - before.apiServer,
    operatorCpuSeconds: after.operator - before.operator,
  };
}

/** From the first apply until the status of every Agent is current, and what it took. */
export async function measureFleet(fleet: Fleet, { agents, progress }: Plan) {
  const { world, client, operator } = fleet;
  const names = agentNames(agents, fleet.names);
  await world.audit.mark();
  const started = performance.now();
  const cost = await progress.step(`${agents} Agents are served`, (detail) =>
    withCost(operator.pid, () => serveAgents(client, fleet.agents, names, (left) => detail(`${left} left`))),
  );
  const wallSeconds = (performance.now() - started) / 1000;
  await untilWorkedOff(operator, agents);
  const requests = await world.audit.requestsSince(userName("operator"));
  const missing = await missingObjects(fleet, agents);
  if (missing !== 0) throw new Error(`${missing} owned objects are missing (fewer than none: too many)`);
  await sleep(10_000); // what the burst left behind is collected
  const memory = memoryMiB(operator.pid);
  const metric = await operator.metrics();
  return {
    names,
    growth: {
      agents,
      tenants: fleet.names.length,
      wallSeconds,
      wallMsPerAgent: (1000 * wallSeconds) / agents,
      operatorCpuMsPerAgent: (1000 * cost.operatorCpuSeconds) / agents,
      serverCpuMsPerAgent: (1000 * cost.serverCpuSeconds) / agents,
      requestsPerAgent: requests.all / agents,
      extraRequestsPerAgent: requests.all / agents - OWNED_OBJECTS,
      requests: requests.by,
      rssMiB: memory.now,
      peakRssMiB: memory.peak,
      heapUsedMiB: (metric("nodejs_heap_size_used_bytes") ?? Number.NaN) / 2 ** 20,
      externalMiB: (metric("nodejs_external_memory_bytes") ?? Number.NaN) / 2 ** 20,
    },
  };
}

/** The same Agents and objects without an operator. */
export async function measureBareLoop(fleet: Fleet, { agents, tenants, progress }: Plan) {
  const names = agentNames(
    agents,
    tenantNames(tenants).map((it) => `bare-${it}`),
  );
  const cost = await progress.step(`${agents} Agents and their objects by a bare loop`, () =>
    withCost(undefined, () => bareLoop(fleet.client, names, fleet.config)),
  );
  return { bareLoopSeconds: cost.result, bareLoopServerCpuMsPerAgent: (1000 * cost.serverCpuSeconds) / agents };
}

export function measureEffect(fleet: Fleet, names: readonly AgentName[], { progress }: Plan) {
  return progress.step("specs are changed", () => effectOfChanges(fleet.client, fleet.deployments, names));
}

/** How many Agents the status of the first Tenant counts: that is where new ones come and go. */
const countedAgents = async ({ client, names }: Fleet): Promise<unknown> =>
  (await client.get<Conditioned>(TENANT, names[0] ?? "")).status?.["agents"];

/** Once the first security checks are written nothing is left to be said; stops the operator and starts it again, several times; then nothing happens for a while. */
export async function measureRestartsAndRest(
  fleet: Fleet,
  { agents, progress }: Plan,
  { restarts, restSeconds }: { restarts: number; restSeconds: number },
) {
  await progress.step("every Tenant's security checks are written", async (detail) => {
    for (;;) {
      const tenants = await fleet.client.list<Conditioned>(TENANT);
      const left = tenants.filter((it) => it.status?.["securityChecks"] === undefined).length;
      if (left === 0) return;
      detail(`${left} left`);
      await sleep(2_000);
    }
  });
  const counted = await countedAgents(fleet);
  const measured: RestartTimes[] = [];
  for (let round = 1; round <= restarts; round++) {
    await fleet.operator.stop();
    const { operator, times } = await progress.step(`the operator starts again (${round} of ${restarts})`, () =>
      measureRestart(fleet.start, {
        client: fleet.client,
        watcher: fleet.agents,
        agents,
        namespace: fleet.names[0] ?? "",
      }),
    );
    fleet.operator = operator;
    measured.push(times);
    while ((await countedAgents(fleet)) !== counted) await sleep(500); // a Tenant counts anew some seconds later
    await untilWorkedOff(operator, agents);
  }
  const steady = await progress.step("nothing changes", () => steadyState(fleet.world, restSeconds));
  const memory = memoryMiB(fleet.operator.pid);
  return {
    ...medianTimes(measured),
    restarts: measured,
    ...steady,
    rssMiBAfterRestart: memory.now,
    peakRssMiBAfterRestart: memory.peak,
  };
}
