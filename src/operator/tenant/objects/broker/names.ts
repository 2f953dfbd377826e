import { BROKER } from "../../../../api/broker-config.ts";
import { tenantNamespace, type Tenant } from "../../../../api/tenant.ts";
import { brokerLabels } from "../../../labels.ts";

/** Of all objects of a tenant's key broker. */
export const brokerMetadata = (tenant: Tenant, name: string = BROKER) => ({
  name,
  namespace: tenantNamespace(tenant),
  labels: brokerLabels(tenant),
});
