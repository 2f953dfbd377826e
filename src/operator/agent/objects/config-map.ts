import { agentConfig, type AccessConfig, type AgentConfig, API_PORT } from "../../../api/agent-config.ts";
import type { Agent } from "../../../api/agent.ts";
import { BROKER } from "../../../api/broker-config.ts";
import { hasBroker, tenantNamespace, type Tenant } from "../../../api/tenant.ts";
import { contentHash } from "../../../kubernetes/apply.ts";
import { CONFIG_MAP } from "../../../kubernetes/resource-kind.ts";
import type { OperatorConfig } from "../../config.ts";
import { agentLabels } from "../../labels.ts";
import { owned } from "../../owned-object.ts";
import { controllerOf } from "./owner.ts";

function access(tenant: Tenant, issuer: string, config: OperatorConfig): AccessConfig {
  const { oidc } = tenant.spec.access;
  if (oidc) return { source: "oidc", ...oidc, tenant: tenant.metadata.name };
  return { source: "cluster", issuer, audience: config.tokenAudience, namespace: tenantNamespace(tenant) };
}

const brokerUrlOf = (tenant: Tenant): string => `https://${BROKER}.${tenantNamespace(tenant)}.svc:${API_PORT}`;

/** All that the pods of this Agent have to know, apart from secrets. */
export function agentConfigOf(
  agent: Agent,
  tenant: Tenant,
  systemPrompt: string | undefined,
  modules: AgentConfig["modules"],
  issuer: string,
  config: OperatorConfig,
): AgentConfig {
  const { model, mode, maxOutputTokens, limits, tools, workspace, approvals, compaction } = agent.spec;
  return agentConfig.parse({
    tenant: { name: tenant.metadata.name, uid: tenant.metadata.uid, namespace: tenantNamespace(tenant) },
    agent: { name: agent.metadata.name, uid: agent.metadata.uid },
    model,
    systemPrompt,
    mode,
    maxOutputTokens,
    limits,
    tools,
    workspace,
    modules,
    approvals,
    compaction,
    tenantLimits: tenant.spec.limits,
    budget: tenant.spec.budget,
    agentBudget: agent.spec.budget,
    access: access(tenant, issuer, config),
    pii: agent.spec.dataProtection.pii,
    encryptTranscripts: agent.spec.dataProtection.encryptTranscripts,
    ...(hasBroker(tenant) ? { brokerUrl: brokerUrlOf(tenant) } : { anthropicBaseUrl: config.model.baseUrl }),
  });
}

/** Names a configuration by its content: old pods keep reading the old one while new pods roll out. */
export const configRevision = (config: AgentConfig): string => contentHash(config).slice(0, 10);

export const configMap = (agent: Agent, config: AgentConfig, revision = configRevision(config)) =>
  owned(CONFIG_MAP, {
    metadata: {
      name: `agent-${agent.metadata.name}-${revision}`,
      namespace: config.tenant.namespace,
      labels: agentLabels(agent.metadata.name, config.tenant.name),
      ownerReferences: [controllerOf(agent)],
    },
    immutable: true,
    data: { "agent.json": JSON.stringify(config) },
  });
