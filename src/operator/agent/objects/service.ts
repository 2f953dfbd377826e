import { API_PORT } from "../../../api/agent-config.ts";
import type { Agent } from "../../../api/agent.ts";
import { tenantNamespace, type Tenant } from "../../../api/tenant.ts";
import { POD_DISRUPTION_BUDGET, SERVICE, SERVICE_ACCOUNT } from "../../../kubernetes/resource-kind.ts";
import { agentLabels, agentSelector } from "../../labels.ts";
import { owned } from "../../owned-object.ts";
import { controllerOf, ownedName } from "./owner.ts";

const metadata = (agent: Agent, tenant: Tenant) => ({
  name: ownedName(agent),
  namespace: tenantNamespace(tenant),
  labels: agentLabels(agent.metadata.name, tenant.metadata.name),
  ownerReferences: [controllerOf(agent)],
});

export const service = (agent: Agent, tenant: Tenant) =>
  owned(SERVICE, {
    metadata: metadata(agent, tenant),
    spec: {
      type: "ClusterIP",
      selector: agentSelector(agent.metadata.name),
      ports: [{ name: "api", port: API_PORT, targetPort: "api", protocol: "TCP" }],
    },
  });

/** Where the Agent is called inside the cluster. */
export const endpointOf = (agent: Agent, tenant: Tenant): string =>
  `http://${ownedName(agent)}.${tenantNamespace(tenant)}.svc:${API_PORT}`;

/** An identity without a token and without rights. */
export const serviceAccount = (agent: Agent, tenant: Tenant) =>
  owned(SERVICE_ACCOUNT, { metadata: metadata(agent, tenant), automountServiceAccountToken: false });

export const podDisruptionBudget = (agent: Agent, tenant: Tenant) =>
  owned(POD_DISRUPTION_BUDGET, {
    metadata: metadata(agent, tenant),
    spec: { maxUnavailable: 1, selector: { matchLabels: agentSelector(agent.metadata.name) } },
  });
