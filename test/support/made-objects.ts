import { agent as agentSchema, type Agent } from "../../src/api/agent.ts";
import { tenant as tenantSchema, type Tenant } from "../../src/api/tenant.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { agentConfigOf, configMap, configRevision } from "../../src/operator/agent/objects/config-map.ts";
import { deployment } from "../../src/operator/agent/objects/deployment.ts";
import { networkPolicy } from "../../src/operator/agent/objects/network-policy.ts";
import { podDisruptionBudget, service, serviceAccount } from "../../src/operator/agent/objects/service.ts";
import { operatorConfig, type OperatorConfig } from "../../src/operator/config.ts";
import type { OwnedObject } from "../../src/operator/owned-object.ts";
import { ACCESS_CONFIG_MAP, DATABASE_SECRET } from "../../src/operator/shared-names.ts";
import { namespace } from "../../src/operator/tenant/objects/namespace.ts";
import { allowAgents, allowDns, defaultDeny } from "../../src/operator/tenant/objects/network-policies.ts";
import { limitRange, resourceQuota } from "../../src/operator/tenant/objects/quota.ts";
import { operatorRoleBinding } from "../../src/operator/tenant/objects/role-binding.ts";
import { anAgent, aTenant } from "./builders.ts";

/** An object as the operator applies it. */
export type MadeObject = KubernetesObject & { apiVersion: string; kind: string; spec?: Record<string, unknown> };

/** @param more over what the chart tells the operator when nothing but the database is named */
export const anOperatorConfig = (more: Record<string, unknown> = {}): OperatorConfig =>
  operatorConfig.parse({
    namespace: "agentpg-system",
    image: "ghcr.io/agentpg/agentpg:0.1.0",
    database: { host: "postgres.example.com", credentialsDir: "/etc/agentpg/operator-database" },
    ...more,
  });

/** A Tenant, and an Agent of it, as the API server gives them. */
export const madeTenant = (name: string, spec: object = {}): Tenant => {
  const written = aTenant(name, spec as Record<string, unknown>);
  return tenantSchema.parse({ ...written, metadata: { ...written.metadata, uid: `uid-of-${name}` } });
};
export const madeAgent = (namespaceName: string, name: string, spec: object = {}): Agent => {
  const written = anAgent(namespaceName, name, spec as Record<string, unknown>);
  return agentSchema.parse({ ...written, metadata: { ...written.metadata, uid: `uid-of-${name}` } });
};

const asApplied = ({ kind, object }: OwnedObject): MadeObject => ({
  apiVersion: kind.apiVersion,
  kind: kind.kind,
  ...object,
});

/** All that the operator makes of a Tenant, but for what holds credentials. */
export const tenantObjects = (tenant: Tenant, config: OperatorConfig): MadeObject[] =>
  [
    namespace(tenant),
    operatorRoleBinding(tenant, config),
    defaultDeny(tenant),
    allowDns(tenant, config),
    allowAgents(tenant),
    resourceQuota(tenant),
    limitRange(tenant),
  ].map(asApplied);

/** All that the operator makes of an Agent. */
export function agentObjects(agent: Agent, tenant: Tenant, config: OperatorConfig): MadeObject[] {
  const modules = agent.spec.modules.map(({ name, configMapKeyRef: { key } }) => ({ name, file: key, revision: "0" }));
  const told = agentConfigOf(agent, tenant, agent.spec.systemPrompt, modules, "https://issuer.example.com", config);
  const made = configMap(agent, told);
  const inputs = {
    agent,
    tenant,
    config,
    configMapName: made.object.metadata.name,
    configRevision: configRevision(told),
    credentialsSecret: DATABASE_SECRET,
    accessConfigMap: ACCESS_CONFIG_MAP,
  };
  return [
    networkPolicy(agent, tenant, config, { direct: true, broker: false }),
    serviceAccount(agent, tenant),
    made,
    service(agent, tenant),
    podDisruptionBudget(agent, tenant),
    deployment(inputs, agent.spec.replicas),
  ].map(asApplied);
}
