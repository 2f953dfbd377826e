import { requestToken } from "../../src/cli/agent-access.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { AGENT, OWNED_KINDS, TENANT } from "../../src/operator/caches.ts";
import { anAgent, aTenant } from "../support/builders.ts";

export const NAME = "lasting";
const AGENTS = { pair: 2, single: 1 };
export const AGENT_NAMES = Object.keys(AGENTS);

interface Reported extends KubernetesObject {
  status?: {
    observedGeneration?: number;
    conditions?: { type: string; status: string; reason: string; message: string; observedGeneration: number }[];
  };
}
interface Rollout extends KubernetesObject {
  spec: { replicas: number; template: { spec: { containers: [{ image: string }] } } };
  status?: { observedGeneration?: number; updatedReplicas?: number; readyReplicas?: number; replicas?: number };
}

/** A Tenant with two Agents, and somebody who may ask them. */
export async function applyLastingTenant(client: KubernetesClient): Promise<void> {
  const apply = (kind: kinds.ResourceKind, object: object) =>
    client.apply(kind, object as KubernetesObject, { fieldManager: "test" });
  await apply(kinds.NAMESPACE, { metadata: { name: NAME, labels: { "agentpg.dev/tenant": NAME } } });
  await apply(kinds.SECRET, {
    metadata: { name: "anthropic", namespace: NAME },
    stringData: { "api-key": "sk-ant-planted" },
  });
  await apply(kinds.SERVICE_ACCOUNT, { metadata: { name: "visitor", namespace: NAME } });
  await apply(TENANT, aTenant(NAME, { limits: { runsPerMinute: 6000 } }));
  for (const [name, replicas] of Object.entries(AGENTS))
    await apply(AGENT, anAgent(NAME, name, { model: "claude-haiku-5-5", replicas }));
}

export const visitorToken = (client: KubernetesClient): Promise<string> => requestToken(client, NAME, "visitor");

const deploymentOf = (client: KubernetesClient, agent: string) =>
  client.get<Rollout>(kinds.DEPLOYMENT, `agent-${agent}`, NAME);

function unsettled({ kind, metadata, status }: Reported): string[] {
  const conditions = status?.conditions ?? [];
  const of = `${kind} ${metadata.name}`;
  return [
    ...conditions
      .filter(({ observedGeneration }) => observedGeneration !== metadata.generation)
      .map(({ type }) => `${of}: ${type} is about an earlier generation`),
    ...conditions
      .filter(({ type, status: is }) => type === "Ready" && is !== "True")
      .map(({ message }) => `${of} is not ready: ${message}`),
    ...conditions
      .filter(({ type, reason }) => type === "Progressing" && reason !== "RolledOut")
      .map(({ reason }) => `${of} is rolled out: ${reason}`),
    ...(conditions.some(({ type }) => type === "Ready") ? [] : [`${of} has no condition`]),
  ];
}

/** Agents whose pods are not all of this image, or not all ready; empty when they are. */
export async function notYetRolledOut(client: KubernetesClient, image: string): Promise<string[]> {
  const rollouts = await Promise.all(AGENT_NAMES.map((name) => deploymentOf(client, name)));
  return rollouts.flatMap(({ metadata, spec, status = {} }) => {
    const there = [status.replicas, status.updatedReplicas, status.readyReplicas];
    const { image: now } = spec.template.spec.containers[0];
    const seen = status.observedGeneration === metadata.generation; // else the counts are those of the pods before
    if (seen && now === image && there.every((count) => count === spec.replicas)) return [];
    return [`${metadata.name} has ${there.join("/")} pods of ${spec.replicas}, of ${now}`];
  });
}

/** What is not as it is at rest with all pods of this image; empty when all is. */
export async function notYetSettled(client: KubernetesClient, image: string): Promise<string[]> {
  const agents = await Promise.all(AGENT_NAMES.map((name) => client.get<Reported>(AGENT, name, NAME)));
  const resources = [await client.get<Reported>(TENANT, NAME), ...agents];
  return [...resources.flatMap(unsettled), ...(await notYetRolledOut(client, image))];
}

/** Pods that are on their way out. */
export async function endingPods(client: KubernetesClient): Promise<string[]> {
  const pods = await client.list<KubernetesObject>(kinds.POD, NAME);
  return pods.filter(({ metadata }) => metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
}

/** By Agent, how often its pods were rolled out. */
export async function rolloutsSoFar(client: KubernetesClient): Promise<Record<string, number>> {
  const counts = AGENT_NAMES.map(async (name) => {
    const { annotations = {} } = (await deploymentOf(client, name)).metadata;
    return [name, Number(annotations["deployment.kubernetes.io/revision"])] as const;
  });
  return Object.fromEntries(await Promise.all(counts));
}

/** What would show a write: the version of each object that belongs to the Tenant, its pods and Secrets among them. */
export async function versionsOfAll(client: KubernetesClient): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const note = ({ kind }: kinds.ResourceKind, { metadata }: KubernetesObject) => {
    found[`${kind} ${metadata.name}`] = `${metadata.uid} ${metadata.resourceVersion}`;
  };
  for (const kind of [...OWNED_KINDS.filter((it) => it.namespaced), kinds.SECRET, kinds.POD])
    for (const object of await client.list<KubernetesObject>(kind, NAME)) note(kind, object);
  note(kinds.NAMESPACE, await client.get(kinds.NAMESPACE, NAME));
  return found;
}

/** By name, the generation of the Tenant and its Agents, and when each condition became so; but for the network probe, which takes its time. */
export async function customResources(client: KubernetesClient): Promise<Record<string, unknown>> {
  const all = [
    await client.get<Reported>(TENANT, NAME),
    ...(await Promise.all(AGENT_NAMES.map((name) => client.get<Reported>(AGENT, name, NAME)))),
  ];
  return Object.fromEntries(
    all.map(({ metadata, status }) => [
      metadata.name,
      {
        uid: metadata.uid,
        generation: metadata.generation,
        conditions: status?.conditions?.filter(({ type }) => type !== "NetworkReady"),
      },
    ]),
  );
}
