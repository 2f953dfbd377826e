import { tenantNamespace, type Tenant } from "../../api/tenant.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import { TENANT_LABEL, TENANT_UID_LABEL } from "../labels.ts";

export interface ClaimInput {
  tenant: Tenant;
  /** The namespace as the API server has it, or undefined. */
  live: KubernetesObject | undefined;
  /** All Tenants that want this namespace: the one that has it first, else the oldest. */
  claimants: readonly Tenant[];
  /** The operator's own namespace. */
  operatorNamespace: string;
}

export type Claim = { granted: true; exists: boolean } | { granted: false; reason: string; message: string };

/**
 * Whether a Tenant may have its namespace. One that exists is taken over only when its maker agreed,
 * by the label `agentpg.dev/tenant: <name>`.
 */
export function claimNamespace({ tenant, live, claimants, operatorNamespace }: ClaimInput): Claim {
  const name = tenantNamespace(tenant);
  const { name: tenantName, uid } = tenant.metadata;
  const refuse = (reason: string, message: string): Claim => ({ granted: false, reason, message });
  if (name === operatorNamespace)
    return refuse(
      "NamespaceTaken",
      `namespace ${name} is the operator's own: create a Tenant with another spec.namespace`,
    );
  const first = claimants[0];
  if (first && first.metadata.uid !== uid) {
    return refuse(
      "NamespaceTaken",
      `Tenant ${first.metadata.name} has namespace ${name} already: delete one of the two, or create this one with another spec.namespace`,
    );
  }
  if (!live) return { granted: true, exists: false };
  if (live.metadata.deletionTimestamp)
    return refuse(
      "NamespaceTerminating",
      `namespace ${name} is being deleted: wait until it is gone, it is then made anew`,
    );
  const labels = live.metadata.labels ?? {};
  if (labels[TENANT_UID_LABEL] === uid) return { granted: true, exists: true };
  if (labels[TENANT_LABEL] === tenantName) return { granted: true, exists: true };
  return refuse(
    "NamespaceNotOurs",
    `namespace ${name} exists and belongs to nobody here: hand it over with \`kubectl label namespace ${name} ${TENANT_LABEL}=${tenantName}\`, or create the Tenant with another spec.namespace`,
  );
}
