import { API_PORT, METRICS_PORT } from "../../../api/agent-config.ts";
import type { Agent } from "../../../api/agent.ts";
import { tenantNamespace, type Tenant } from "../../../api/tenant.ts";
import { NETWORK_POLICY } from "../../../kubernetes/resource-kind.ts";
import type { OperatorConfig } from "../../config.ts";
import { agentLabels, agentSelector, BROKER_SELECTOR } from "../../labels.ts";
import { cidrPeer, databaseRule, modelRule, rule, tcp } from "../../network/egress.ts";
import { owned } from "../../owned-object.ts";
import { ownedName } from "./owner.ts";
import { tracingEgress } from "./tracing.ts";

const brokerRule = rule("to", [{ podSelector: { matchLabels: BROKER_SELECTOR } }], tcp(API_PORT));

/** How the pods that there are reach the model; while a change of `anthropic.access` rolls out, there are pods of both kinds. */
export interface ModelWays {
  direct: boolean;
  broker: boolean;
}

/** What an Agent's pods may be reached by and may reach, beside DNS. Without an owner: its pods need it longer than the Agent is there. */
export function networkPolicy(agent: Agent, tenant: Tenant, config: OperatorConfig, ways: ModelWays) {
  return owned(NETWORK_POLICY, {
    metadata: {
      name: ownedName(agent),
      namespace: tenantNamespace(tenant),
      labels: agentLabels(agent.metadata.name, tenant.metadata.name),
    },
    spec: {
      podSelector: { matchLabels: agentSelector(agent.metadata.name) },
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        ...rule("from", [{ podSelector: {} }, ...config.agentClients], tcp(API_PORT)),
        ...rule("from", config.metricsClients, tcp(METRICS_PORT)),
      ],
      egress: [
        ...databaseRule(config),
        ...(ways.direct ? modelRule(config) : []),
        ...(ways.broker ? brokerRule : []),
        ...tracingEgress(config),
        ...tenant.spec.network.egress.flatMap(({ cidr, ports }) => rule("to", [cidrPeer(cidr)], tcp(...ports))),
      ],
    },
  });
}
