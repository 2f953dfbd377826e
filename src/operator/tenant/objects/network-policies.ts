import { API_PORT } from "../../../api/agent-config.ts";
import { BROKER } from "../../../api/broker-config.ts";
import { hasBroker, tenantNamespace, type Tenant } from "../../../api/tenant.ts";
import { NETWORK_POLICY } from "../../../kubernetes/resource-kind.ts";
import type { OperatorConfig } from "../../config.ts";
import { AGENT_PODS, tenantLabels } from "../../labels.ts";
import { tcp } from "../../network/egress.ts";
import { owned } from "../../owned-object.ts";

/** Nothing in, nothing out, for every pod of the namespace; the other policies open what is needed. */
export const defaultDeny = (tenant: Tenant) =>
  owned(NETWORK_POLICY, {
    metadata: { name: "agentpg-default-deny", namespace: tenantNamespace(tenant), labels: tenantLabels(tenant) },
    // The empty lists are said aloud, so that a rule that somebody adds is drift.
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], ingress: [], egress: [] },
  });

export const allowDns = (tenant: Tenant, config: OperatorConfig) =>
  owned(NETWORK_POLICY, {
    metadata: { name: "agentpg-allow-dns", namespace: tenantNamespace(tenant), labels: tenantLabels(tenant) },
    spec: {
      podSelector: {},
      policyTypes: ["Egress"],
      egress: [
        {
          to: config.dnsPeers,
          ports: [
            { protocol: "UDP", port: 53 },
            { protocol: "TCP", port: 53 },
          ],
        },
      ],
    },
  });

/** The tenant's own pods may call the tenant's agents; the key broker has nothing to ask of them. */
export const allowAgents = (tenant: Tenant) =>
  owned(NETWORK_POLICY, {
    metadata: { name: "agentpg-allow-agents", namespace: tenantNamespace(tenant), labels: tenantLabels(tenant) },
    spec: {
      podSelector: hasBroker(tenant) ? { matchExpressions: [NOT_THE_BROKER] } : {},
      policyTypes: ["Egress"],
      egress: [{ to: [{ podSelector: { matchLabels: AGENT_PODS } }], ports: tcp(API_PORT) }],
    },
  });

const NOT_THE_BROKER = { key: "app.kubernetes.io/name", operator: "NotIn", values: [BROKER] };
