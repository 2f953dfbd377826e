import { agent as agentSchema } from "../../src/api/agent.ts";
import { tenant as tenantSchema, type Tenant } from "../../src/api/tenant.ts";
import { withAppliedHash } from "../../src/kubernetes/apply.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { NAMESPACE } from "../../src/kubernetes/resource-kind.ts";
import { agentConfigOf, configMap, configRevision } from "../../src/operator/agent/objects/config-map.ts";
import { deployment } from "../../src/operator/agent/objects/deployment.ts";
import { networkPolicy } from "../../src/operator/agent/objects/network-policy.ts";
import { service, serviceAccount } from "../../src/operator/agent/objects/service.ts";
import { AGENT } from "../../src/operator/caches.ts";
import type { OperatorConfig } from "../../src/operator/config.ts";
import type { OwnedObject } from "../../src/operator/owned-object.ts";
import { ACCESS_CONFIG_MAP, DATABASE_SECRET } from "../../src/operator/shared-names.ts";
import { aTenant } from "../../test/support/builders.ts";
import { benchAgent, forAll, type AgentName } from "./fleet.ts";

/** Objects that the operator makes for an Agent of one replica. */
export const OWNED_OBJECTS = 5;

function ownedObjects(created: KubernetesObject, tenant: Tenant, config: OperatorConfig): OwnedObject[] {
  const agent = agentSchema.parse(created);
  const settings = agentConfigOf(agent, tenant, agent.spec.systemPrompt, [], "https://kubernetes.default.svc", config);
  const map = configMap(agent, settings);
  const inputs = {
    agent,
    tenant,
    config,
    configMapName: map.object.metadata.name,
    configRevision: configRevision(settings),
    credentialsSecret: DATABASE_SECRET,
    accessConfigMap: ACCESS_CONFIG_MAP,
  };
  return [
    networkPolicy(agent, tenant, config, { direct: true, broker: false }),
    serviceAccount(agent, tenant),
    map,
    service(agent, tenant),
    deployment(inputs, agent.spec.replicas),
  ];
}

const bareTenant = (name: string): Tenant =>
  tenantSchema.parse({ ...aTenant(name), metadata: { name, uid: `uid-of-${name}`, generation: 1 } });

/** The objects of an Agent for another operator to fill in: JSON with the names that bench/controller-runtime replaces. */
export function objectTemplates(config: OperatorConfig, labels: Record<string, string>): object[] {
  const name = { namespace: "template-namespace", name: "template-agent" };
  const agent = benchAgent(name);
  const metadata = { ...agent.metadata, uid: "template-uid", generation: 1 };
  const objects = ownedObjects({ ...agent, metadata }, bareTenant(name.namespace), config);
  const map = objects.find(({ kind }) => kind.kind === "ConfigMap")?.object.metadata.name ?? "";
  const revision = map.slice(map.lastIndexOf("-") + 1);
  return objects.map(({ kind, object }) => {
    const labelled = { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...labels } } };
    return { kind: kind.kind, object: JSON.parse(JSON.stringify(labelled).replaceAll(revision, "template-revision")) };
  });
}

/** What nobody can do without: creates the Agents and the objects that the operator would make, and looks at nothing. Seconds. */
export async function bareLoop(
  client: KubernetesClient,
  agents: readonly AgentName[],
  config: OperatorConfig,
): Promise<number> {
  const tenants = new Map(agents.map(({ namespace }) => [namespace, bareTenant(namespace)]));
  await forAll([...tenants.keys()], (name) =>
    client.apply(NAMESPACE, { metadata: { name } }, { fieldManager: "bench" }),
  );
  const started = performance.now();
  await forAll(agents, async (name) => {
    const created = await client.create(AGENT, benchAgent(name), name.namespace);
    for (const { kind, object } of ownedObjects(created, tenants.get(name.namespace) as Tenant, config))
      await client.apply(kind, withAppliedHash(object), { fieldManager: "bench" });
  });
  return (performance.now() - started) / 1000;
}
