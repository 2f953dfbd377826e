import type { Tenant } from "../../../api/tenant.ts";
import { tenantNamespace } from "../../../api/tenant.ts";
import { NAMESPACE } from "../../../kubernetes/resource-kind.ts";
import { tenantLabels } from "../../labels.ts";
import { owned } from "../../owned-object.ts";

/** The tenant's namespace, in which Pod Security admission refuses every pod that is not `restricted`. */
export const namespace = (tenant: Tenant) =>
  owned(NAMESPACE, {
    metadata: {
      name: tenantNamespace(tenant),
      labels: {
        ...tenantLabels(tenant),
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
        "pod-security.kubernetes.io/audit": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
      },
    },
  });
