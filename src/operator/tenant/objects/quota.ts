import { tenantNamespace, type Tenant } from "../../../api/tenant.ts";
import { LIMIT_RANGE, RESOURCE_QUOTA } from "../../../kubernetes/resource-kind.ts";
import { tenantLabels } from "../../labels.ts";
import { owned } from "../../owned-object.ts";

export const resourceQuota = (tenant: Tenant) => {
  const { pods, cpu, memory } = tenant.spec.quota;
  return owned(RESOURCE_QUOTA, {
    metadata: { name: "agentpg-tenant", namespace: tenantNamespace(tenant), labels: tenantLabels(tenant) },
    spec: {
      hard: {
        pods: String(pods),
        "requests.cpu": String(cpu),
        "requests.memory": String(memory),
        "limits.memory": String(memory),
      },
    },
  });
};

/** Requests and limits for containers that name none: the quota would refuse them otherwise. */
export const limitRange = (tenant: Tenant) =>
  owned(LIMIT_RANGE, {
    metadata: { name: "agentpg-tenant", namespace: tenantNamespace(tenant), labels: tenantLabels(tenant) },
    spec: {
      limits: [{ type: "Container", default: { memory: "512Mi" }, defaultRequest: { cpu: "100m", memory: "192Mi" } }],
    },
  });
