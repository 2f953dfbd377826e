import { API_PORT } from "../../../../api/agent-config.ts";
import { BROKER } from "../../../../api/broker-config.ts";
import type { Tenant } from "../../../../api/tenant.ts";
import { POD_DISRUPTION_BUDGET, SERVICE } from "../../../../kubernetes/resource-kind.ts";
import { BROKER_SELECTOR } from "../../../labels.ts";
import { owned } from "../../../owned-object.ts";
import { brokerMetadata } from "./names.ts";

/**
 * Where agents find the broker. It goes with the Deployment, by the garbage collector: the operator has no right to delete Services.
 * @param deploymentUid of the broker's Deployment
 */
export const brokerService = (tenant: Tenant, deploymentUid: string) =>
  owned(SERVICE, {
    metadata: {
      ...brokerMetadata(tenant),
      ownerReferences: [{ apiVersion: "apps/v1", kind: "Deployment", name: BROKER, uid: deploymentUid }],
    },
    spec: {
      type: "ClusterIP",
      selector: BROKER_SELECTOR,
      ports: [{ name: "api", port: API_PORT, targetPort: "api", protocol: "TCP" }],
    },
  });

export const brokerDisruptionBudget = (tenant: Tenant) =>
  owned(POD_DISRUPTION_BUDGET, {
    metadata: brokerMetadata(tenant),
    spec: { maxUnavailable: 1, selector: { matchLabels: BROKER_SELECTOR } },
  });
