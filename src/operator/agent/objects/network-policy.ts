import { API_PORT, METRICS_PORT } from "../../../api/agent-config.ts";
import type { Agent } from "../../../api/agent.ts";
import { tenantNamespace, type Tenant } from "../../../api/tenant.ts";
import { NETWORK_POLICY } from "../../../kubernetes/resource-kind.ts";
import type { OperatorConfig } from "../../config.ts";
import { agentLabels, agentSelector } from "../../labels.ts";
import { anyPeers, cidrPeer, publicPeers, tcp } from "../../network/egress.ts";
import { owned } from "../../owned-object.ts";
import { controllerOf, ownedName } from "./owner.ts";
import { tracingEgress } from "./tracing.ts";

/** A rule without peers would mean "anyone", so an empty list gives no rule. */
const rule = (direction: "to" | "from", peers: readonly unknown[], ports: unknown[]) =>
  peers.length > 0 ? [{ [direction]: peers, ports }] : [];

/** What an Agent's pods may be reached by and may reach, beside DNS. */
export function networkPolicy(agent: Agent, tenant: Tenant, config: OperatorConfig) {
  const { database, model } = config;
  const databasePeers = database.peers.length > 0 ? database.peers : anyPeers;
  return owned(NETWORK_POLICY, {
    metadata: {
      name: ownedName(agent),
      namespace: tenantNamespace(tenant),
      labels: agentLabels(agent.metadata.name, tenant.metadata.name),
      ownerReferences: [controllerOf(agent)],
    },
    spec: {
      podSelector: { matchLabels: agentSelector(agent.metadata.name) },
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        ...rule("from", [{ podSelector: {} }, ...config.agentClients], tcp(API_PORT)),
        ...rule("from", config.metricsClients, tcp(METRICS_PORT)),
      ],
      egress: [
        ...rule("to", databasePeers, tcp(database.peerPort ?? database.agentPort ?? database.port)),
        ...rule("to", model.peers.length > 0 ? model.peers : publicPeers(), tcp(model.port)),
        ...tracingEgress(config),
        ...tenant.spec.network.egress.flatMap(({ cidr, ports }) => rule("to", [cidrPeer(cidr)], tcp(...ports))),
      ],
    },
  });
}
