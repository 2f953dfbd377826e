import { tenantNamespace, type Tenant } from "../../../api/tenant.ts";
import { CONFIG_MAP } from "../../../kubernetes/resource-kind.ts";
import { tenantLabels } from "../../labels.ts";
import { owned } from "../../owned-object.ts";
import { ACCESS_CONFIG_MAP } from "../../shared-names.ts";

/** The public keys of the cluster's token issuer: agents check tokens without reaching the API server. */
export const accessKeys = (tenant: Tenant, jwks: string) =>
  owned(CONFIG_MAP, {
    metadata: { name: ACCESS_CONFIG_MAP, namespace: tenantNamespace(tenant), labels: tenantLabels(tenant) },
    data: { "jwks.json": jwks },
  });
