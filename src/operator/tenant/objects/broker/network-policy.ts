import { API_PORT, METRICS_PORT } from "../../../../api/agent-config.ts";
import type { Tenant } from "../../../../api/tenant.ts";
import { NETWORK_POLICY } from "../../../../kubernetes/resource-kind.ts";
import type { OperatorConfig } from "../../../config.ts";
import { AGENT_PODS, BROKER_SELECTOR } from "../../../labels.ts";
import { databaseRule, modelRule, rule, tcp } from "../../../network/egress.ts";
import { owned } from "../../../owned-object.ts";
import { brokerMetadata } from "./names.ts";

/** In: the tenant's agents, and who may scrape. Out, beside DNS: Postgres and the model endpoint; nothing that a Tenant's spec opens. */
export const brokerNetworkPolicy = (tenant: Tenant, config: OperatorConfig) =>
  owned(NETWORK_POLICY, {
    metadata: brokerMetadata(tenant),
    spec: {
      podSelector: { matchLabels: BROKER_SELECTOR },
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        ...rule("from", [{ podSelector: { matchLabels: AGENT_PODS } }], tcp(API_PORT)),
        ...rule("from", config.metricsClients, tcp(METRICS_PORT)),
      ],
      egress: [...databaseRule(config), ...modelRule(config)],
    },
  });
