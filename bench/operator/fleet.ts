import { NAMESPACE, SECRET } from "../../src/kubernetes/resource-kind.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { keyOf, type KubernetesObject } from "../../src/kubernetes/object.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { conditionOf, type Conditioned } from "../../test/support/operator-harness.ts";
import { anAgent, aTenant } from "../../test/support/builders.ts";
import type { Watcher } from "./watcher.ts";

/** As in the chart: how many keys the operator has in work at once, and how many requests the benchmark. */
export const CONCURRENCY = 8;

export interface AgentName {
  namespace: string;
  name: string;
}

const padded = (n: number) => String(n).padStart(4, "0");

export const tenantNames = (count: number): string[] => Array.from({ length: count }, (_, n) => `tenant-${padded(n)}`);

/** `count` Agents, spread evenly over namespaces. */
export const agentNames = (count: number, namespaces: readonly string[]): AgentName[] =>
  Array.from({ length: count }, (_, n) => ({
    namespace: namespaces[n % namespaces.length] ?? "",
    name: `agent-${padded(n)}`,
  }));

/** An Agent of usual size: a prompt of a paragraph, two tools. */
export const benchAgent = ({ namespace, name }: AgentName, labels: Record<string, string> = {}) => {
  const agent = anAgent(namespace, name, {
    systemPrompt: `You are ${name}. ${"Answer in a sentence or two, and say where you have it from. ".repeat(8)}`,
    tools: [
      {
        name: "orders",
        description: "The orders of one customer.",
        sql: {
          statement: "SELECT id, total FROM orders WHERE customer = $1",
          parameters: { type: "object", properties: { customer: { type: "string" } }, required: ["customer"] },
        },
      },
      {
        name: "weather",
        description: "Tomorrow's weather.",
        http: { allowedHosts: ["weather.example.com"] },
      },
    ],
  });
  return { ...agent, metadata: { ...agent.metadata, labels } } as unknown as KubernetesObject;
};

/** Does `work` for all of a list, {@link CONCURRENCY} at once. */
export async function forAll<T>(list: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const rest = list.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

/** Makes Tenants with their namespaces and API keys; settles when all are ready. */
export async function provisionTenants(
  client: KubernetesClient,
  tenants: Watcher<Conditioned>,
  names: readonly string[],
): Promise<void> {
  const by = { fieldManager: "bench" };
  const ready = tenants.until(names, (it) => conditionOf(it, "Ready")?.status === "True");
  await forAll(names, async (name) => {
    await client.apply(NAMESPACE, { metadata: { name, labels: { "agentpg.dev/tenant": name } } }, by);
    const stringData = { "api-key": "sk-ant-bench" };
    await client.apply(SECRET, { metadata: { name: "anthropic", namespace: name }, stringData }, by);
    await client.apply(TENANT, aTenant(name), by);
  });
  await ready;
}

/** Nothing is left to do for it: its pods run what its spec says now, and its status says so. */
export const isCurrent = (it: Conditioned): boolean =>
  it.status?.["observedGeneration"] === it.metadata.generation &&
  conditionOf(it, "Ready")?.status === "True" &&
  conditionOf(it, "Progressing")?.reason === "RolledOut";

/** Creates Agents; settles when the status of each is current. */
export async function serveAgents(
  client: KubernetesClient,
  agents: Watcher<Conditioned>,
  names: readonly AgentName[],
  onDone?: (left: number) => void,
  labels: Record<string, string> = {},
): Promise<void> {
  const served = agents.until(
    names.map((metadata) => keyOf({ metadata })),
    isCurrent,
    onDone,
  );
  await forAll(names, (name) => client.create(AGENT, benchAgent(name, labels), name.namespace));
  await served;
}
