import { API_PORT } from "../../../api/agent-config.ts";
import { tenantNamespace, type Tenant } from "../../../api/tenant.ts";
import { NETWORK_POLICY } from "../../../kubernetes/resource-kind.ts";
import type { OperatorConfig } from "../../config.ts";
import { tenantLabels } from "../../labels.ts";
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

/** The tenant's own pods may call the tenant's agents. */
export const allowAgents = (tenant: Tenant) =>
  owned(NETWORK_POLICY, {
    metadata: { name: "agentpg-allow-agents", namespace: tenantNamespace(tenant), labels: tenantLabels(tenant) },
    spec: {
      podSelector: {},
      policyTypes: ["Egress"],
      egress: [
        { to: [{ podSelector: { matchLabels: { "app.kubernetes.io/name": "agentpg-agent" } } }], ports: tcp(API_PORT) },
      ],
    },
  });
