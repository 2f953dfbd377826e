import { isUnseen } from "../observation.ts";
import { type Check, failed, passed, some, unknown } from "../outcome.ts";
import type { LivePolicy } from "../live-policy.ts";

const AGENT_LABELS = { "app.kubernetes.io/name": "agentpg-agent" };

const isDefaultDeny = ({ spec }: LivePolicy): boolean =>
  Object.keys(spec.podSelector ?? {}).length === 0 &&
  (spec.policyTypes ?? []).includes("Ingress") &&
  (spec.policyTypes ?? []).includes("Egress") &&
  (spec.ingress ?? []).length === 0 &&
  (spec.egress ?? []).length === 0;

const isOurs = ({ metadata }: LivePolicy): boolean =>
  metadata.labels?.["app.kubernetes.io/managed-by"] === "agentpg-operator";

/** Policies add up: one of somebody else that selects agents and allows anything opens what the operator closed. */
function opensAgents({ spec }: LivePolicy): boolean {
  const { matchLabels = {}, matchExpressions = [] } = spec.podSelector ?? {};
  const excluded = Object.entries(AGENT_LABELS).some(([key, value]) => (matchLabels[key] ?? value) !== value);
  const rules = (spec.ingress ?? []).length + (spec.egress ?? []).length;
  return rules > 0 && (!excluded || matchExpressions.length > 0);
}

/** Everything is closed by default, each Agent has its policy, and nobody opened more. */
export const networkPolicyPresent: Check = {
  name: "NetworkPolicyPresent",
  decide({ policies, agents }) {
    if (isUnseen(policies)) return unknown("NotSeen", policies.unseen);
    if (!policies.some(isDefaultDeny))
      return failed(
        "NoDefaultDeny",
        "the namespace has no policy that closes everything by default: see the condition NetworkReady",
      );
    const names = new Set(policies.map((it) => it.metadata.name));
    const without = agents.filter((it) => it.status.configRevision && !names.has(`agent-${it.metadata.name}`));
    if (without.length > 0)
      return failed(
        "AgentWithoutPolicy",
        `Agents ${some(without.map((it) => it.metadata.name))} have no NetworkPolicy: see their conditions`,
      );
    const foreign = policies.filter((it) => !isOurs(it) && opensAgents(it)).map((it) => it.metadata.name);
    if (foreign.length > 0)
      return failed(
        "OpenedByOthers",
        `NetworkPolicies ${some(foreign)} open more to the agents than the operator does: delete them, and use the Tenant's network.egress or the chart's agentClients`,
      );
    return passed(
      "Closed",
      "read all NetworkPolicies of the namespace: default deny in both directions, one for each Agent, and none of others that opens more to agents",
    );
  },
};
