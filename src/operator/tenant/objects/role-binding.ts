import { tenantNamespace, type Tenant } from "../../../api/tenant.ts";
import { ROLE_BINDING } from "../../../kubernetes/resource-kind.ts";
import type { OperatorConfig } from "../../config.ts";
import { tenantLabels } from "../../labels.ts";
import { owned } from "../../owned-object.ts";

/** The operator's rights in this namespace: it has none to write, and none on Secrets, anywhere else. */
export const operatorRoleBinding = (tenant: Tenant, config: OperatorConfig) =>
  owned(ROLE_BINDING, {
    metadata: { name: "agentpg-operator", namespace: tenantNamespace(tenant), labels: tenantLabels(tenant) },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: config.tenantClusterRole },
    subjects: [{ kind: "ServiceAccount", name: config.serviceAccount, namespace: config.namespace }],
  });
