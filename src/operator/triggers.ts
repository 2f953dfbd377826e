import type { Agent } from "../api/agent.ts";
import type { Tenant } from "../api/tenant.ts";
import { keyOf } from "../kubernetes/object.ts";
import { splitKey } from "../kubernetes/object.ts";
import { NETWORK_POLICY } from "../kubernetes/resource-kind.ts";
import type { WorkQueue } from "../kubernetes/work-queue.ts";
import type { Caches } from "./caches.ts";
import { AGENT_LABEL, TENANT_LABEL } from "./labels.ts";

interface Queues {
  tenant: WorkQueue;
  agent: WorkQueue;
  tenantNamespace(tenant: Tenant): string;
}

type Seen = Pick<Tenant | Agent, "metadata" | "status">;

const operatorIn = ({ status }: Seen): string | undefined => ("operator" in status ? status.operator : undefined);

/** Our own writes of the status come back as changes; they call for no work. Whose it is, another operator may have written. */
const onlyStatusChanged = (now: Seen, before: Seen | undefined): boolean =>
  before !== undefined &&
  operatorIn(now) === operatorIn(before) &&
  now.metadata.uid === before.metadata.uid &&
  now.metadata.generation === before.metadata.generation &&
  now.metadata.deletionTimestamp === before.metadata.deletionTimestamp &&
  JSON.stringify([now.metadata.annotations, now.metadata.labels, now.metadata.finalizers]) ===
    JSON.stringify([before.metadata.annotations, before.metadata.labels, before.metadata.finalizers]);

/** What nobody has looked at yet goes before the backlog of a start, although it was there before. */
const isNews = ({ metadata, status }: Agent): boolean => status.observedGeneration !== metadata.generation;

/** What an Agent looks at in its Tenant; the rest of the status, such as the number of Agents, is no news to it. */
const agentsSee = ({ metadata, status }: Tenant): string => {
  const conditions = (status.conditions ?? []).filter(({ type }) => AGENTS_SEE_CONDITIONS.includes(type));
  const { generation, uid, deletionTimestamp } = metadata;
  return JSON.stringify([generation, uid, deletionTimestamp, status.credentialsRevision, status.operator, conditions]);
};
const AGENTS_SEE_CONDITIONS = ["CredentialsReady", "EncryptionReady", "BrokerReady"];

/** An Agent that asks others is wrong when one of them is missing, or asks it in turn. */
const asksOthers = ({ spec }: Agent): boolean => spec.tools.some((tool) => tool.agent);

/** The Tenant has to have data keys for it. */
const encrypts = (it: Agent | undefined): boolean => it?.spec.dataProtection.encryptTranscripts ?? false;

/** Agents by the dozen are counted once, not one after the other, and their pods too: the numbers are only shown. */
const COUNT_AFTER_MS = 10_000;

/** Which keys a change in a cache puts into which queue. What the first lists bring is backlog: fresh changes go before it. */
export function wireTriggers(caches: Caches, { tenant, agent, tenantNamespace }: Queues): void {
  const agentsOf = (namespace: string, priority: "high" | "low", which: (it: Agent) => boolean = () => true) => {
    for (const it of caches.agentsOfNamespace(namespace)) if (which(it)) agent.add(keyOf(it), priority);
  };
  /** Agents that are gone while their policy is there yet: it is for the operator that has the Tenant, see `agent/left-policy.ts`. */
  const goneAgentsOf = (namespace: string, priority: "high" | "low") => {
    for (const { metadata } of caches.owned(NETWORK_POLICY)?.inNamespace(namespace) ?? []) {
      const name = metadata.labels?.[AGENT_LABEL];
      if (name && !caches.agents.get(`${namespace}/${name}`)) agent.add(`${namespace}/${name}`, priority);
    }
  };
  const allTenantsOf = (namespace: string) => {
    for (const it of caches.tenantsOfNamespace(namespace)) tenant.add(it.metadata.name);
  };
  const countAgents = (namespace: string) => {
    for (const it of caches.tenantsOfNamespace(namespace)) tenant.addAfter(it.metadata.name, COUNT_AFTER_MS);
  };
  caches.tenants.onChange((change) => {
    const priority = caches.tenants.synced ? "high" : "low";
    if (change.type === "deleted" || !onlyStatusChanged(change.object, change.previous))
      tenant.add(change.key, priority);
    const it = change.type === "set" ? change.object : change.previous;
    if (change.type === "deleted" || !change.previous || agentsSee(change.object) !== agentsSee(change.previous)) {
      agentsOf(tenantNamespace(it), priority);
      goneAgentsOf(tenantNamespace(it), priority);
    }
    if (change.type === "deleted") allTenantsOf(tenantNamespace(it)); // the next in line may have the namespace now
  });
  caches.agents.onChange((change) => {
    const it = change.type === "set" ? change.object : change.previous;
    const priority = caches.agents.synced || isNews(it) ? "high" : "low";
    const previous = change.type === "set" ? change.previous : undefined;
    if (onlyStatusChanged(it, previous)) return;
    agent.add(change.key, priority);
    const namespace = it.metadata.namespace ?? "";
    agentsOf(namespace, priority, asksOthers); // it may be among those that they wait for
    if (encrypts(it) !== encrypts(previous)) allTenantsOf(namespace);
    else if (change.type === "deleted" || previous?.spec.replicas !== it.spec.replicas) countAgents(namespace);
  });
  caches.tenants.onUnreadable((key) => tenant.add(key, "low"));
  caches.agents.onUnreadable((key) => agent.add(key, "low"));
  for (const reflector of caches.ownedReflectors()) {
    reflector.onChange((change) => {
      const { labels = {}, ownerReferences = [] } = (change.type === "set" ? change.object : change.previous).metadata;
      const owner = ownerReferences.find((it) => it.kind === "Agent");
      const { namespace } = splitKey(change.key);
      const priority = reflector.synced ? "high" : "low";
      if (owner ?? labels[AGENT_LABEL]) agent.add(`${namespace}/${owner?.name ?? labels[AGENT_LABEL]}`, priority);
      else if (labels[TENANT_LABEL]) tenant.add(labels[TENANT_LABEL], priority);
    });
  }
}
