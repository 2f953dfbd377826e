import type { Tenant } from "../api/tenant.ts";
import { keyOf } from "../kubernetes/object.ts";
import { splitKey } from "../kubernetes/object.ts";
import type { WorkQueue } from "../kubernetes/work-queue.ts";
import type { Caches } from "./caches.ts";
import { AGENT_LABEL, TENANT_LABEL } from "./labels.ts";

interface Queues {
  tenant: WorkQueue;
  agent: WorkQueue;
  tenantNamespace(tenant: Tenant): string;
}

type Seen = { metadata: Tenant["metadata"] };

/** Our own writes of the status come back as changes; they call for no work. */
const onlyStatusChanged = (now: Seen, before: Seen | undefined): boolean =>
  before !== undefined &&
  now.metadata.uid === before.metadata.uid &&
  now.metadata.generation === before.metadata.generation &&
  now.metadata.deletionTimestamp === before.metadata.deletionTimestamp &&
  JSON.stringify([now.metadata.annotations, now.metadata.labels, now.metadata.finalizers]) ===
    JSON.stringify([before.metadata.annotations, before.metadata.labels, before.metadata.finalizers]);

/** Which keys a change in a cache puts into which queue. What the first lists bring is backlog: fresh changes go before it. */
export function wireTriggers(caches: Caches, { tenant, agent, tenantNamespace }: Queues): void {
  const agentsOf = (namespace: string, priority: "high" | "low") => {
    for (const it of caches.agentsOfNamespace(namespace)) agent.add(keyOf(it), priority);
  };
  const allTenantsOf = (namespace: string) => {
    for (const it of caches.tenantsOfNamespace(namespace)) tenant.add(it.metadata.name);
  };
  caches.tenants.onChange((change) => {
    const priority = caches.tenants.synced ? "high" : "low";
    if (change.type === "deleted" || !onlyStatusChanged(change.object, change.previous))
      tenant.add(change.key, priority);
    const it = change.type === "set" ? change.object : change.previous;
    agentsOf(tenantNamespace(it), priority);
    if (change.type === "deleted") allTenantsOf(tenantNamespace(it)); // the next in line may have the namespace now
  });
  caches.agents.onChange((change) => {
    const priority = caches.agents.synced ? "high" : "low";
    const it = change.type === "set" ? change.object : change.previous;
    const previous = change.type === "set" ? change.previous : undefined;
    if (onlyStatusChanged(it, previous)) return;
    agent.add(change.key, priority);
    agentsOf(it.metadata.namespace ?? "", priority); // whoever delegates to it, or waited for it
    allTenantsOf(it.metadata.namespace ?? "");
  });
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
