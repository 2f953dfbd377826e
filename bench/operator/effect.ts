import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { keyOf, type KubernetesObject } from "../../src/kubernetes/object.ts";
import { DEPLOYMENT } from "../../src/kubernetes/resource-kind.ts";
import { AGENT } from "../../src/operator/caches.ts";
import type { AgentName } from "./fleet.ts";
import type { Watcher } from "./watcher.ts";

const CHANGES = 150;
const EVERY_MS = 300;

type Deployment = KubernetesObject & {
  spec: { template: { spec: { containers: { env: { name: string; value?: string }[] }[] } } };
};

const revisionOf = (object: KubernetesObject): string | undefined =>
  (object as Deployment).spec.template.spec.containers[0]?.env.find((it) => it.name === "AGENTPG_CONFIG_REVISION")
    ?.value;

const percentile = (sorted: number[], p: number): number => sorted[Math.ceil(sorted.length * p) - 1] ?? Number.NaN;

/** Changes one Agent's spec every 300 ms; seconds from the API server's answer until its Deployment has the new configuration. */
export async function effectOfChanges(
  client: KubernetesClient,
  deployments: Watcher<KubernetesObject>,
  agents: readonly AgentName[],
): Promise<{ effectP50Seconds: number; effectP99Seconds: number; effectMaxSeconds: number }> {
  const live = await client.list<KubernetesObject>(DEPLOYMENT);
  const seen = new Map(live.map((it) => [keyOf(it), revisionOf(it)]));
  const waiting = new Map<string, (at: number) => void>();
  const off = deployments.on((object) => {
    const key = keyOf(object);
    const revision = revisionOf(object);
    if (seen.get(key) !== revision) waiting.get(key)?.(performance.now());
    seen.set(key, revision);
  });
  const step = Math.max(1, Math.floor(agents.length / CHANGES));
  const chosen = agents.filter((_, n) => n % step === 0).slice(0, CHANGES);
  const seconds: number[] = [];
  const change = async ({ namespace, name }: AgentName) => {
    const key = `${namespace}/agent-${name}`;
    const effect = new Promise<number>((resolve) => waiting.set(key, resolve));
    await client.mergePatch(AGENT, name, namespace, { spec: { maxOutputTokens: 1234 } });
    const began = performance.now();
    seconds.push(Math.max(0, (await effect) - began) / 1000);
  };
  const changes: Promise<void>[] = [];
  for (const it of chosen) {
    changes.push(change(it));
    await sleep(EVERY_MS);
  }
  await Promise.all(changes);
  off();
  seconds.sort((a, b) => a - b);
  return {
    effectP50Seconds: percentile(seconds, 0.5),
    effectP99Seconds: percentile(seconds, 0.99),
    effectMaxSeconds: percentile(seconds, 1),
  };
}
