import { BROKER } from "../api/broker-config.ts";
import { GROUP } from "../api/resource.ts";

export const MANAGED_BY = "agentpg-operator";
export const MANAGED_SELECTOR = `app.kubernetes.io/managed-by=${MANAGED_BY}`;

export const TENANT_LABEL = `${GROUP}/tenant`;
export const TENANT_UID_LABEL = `${GROUP}/tenant-uid`;
export const AGENT_LABEL = `${GROUP}/agent`;
/** On a Tenant: take over the retained schema of an earlier Tenant of the same name. */
export const ADOPT_ANNOTATION = `${GROUP}/adopt`;
/** On a Tenant: the operator from which it is to be taken, as that is gone or was told to let it go; see `tenant/custody.ts`. */
export const TAKE_OVER_ANNOTATION = `${GROUP}/take-over-from`;
/** On a Tenant, as a label: its schema is migrated before those of others. */
export const CANARY_LABEL = `${GROUP}/canary`;
/** On a Tenant: any new value asks for a new database password. */
export const ROTATE_ANNOTATION = `${GROUP}/rotate-password`;
/** On a Tenant: any new value asks for a new data key for its transcripts. */
export const ROTATE_DATA_KEY_ANNOTATION = `${GROUP}/rotate-data-key`;
/** On a pod of an agent or a key broker: what changed of its Secrets last. The change makes the kubelet look at them at once. */
export const SECRETS_ANNOTATION = `${GROUP}/secrets`;
export const FINALIZER = `${GROUP}/tenant`;
/** On a namespace: the operator made it, so it goes with the Tenant when the deletion policy says so. */
export const CREATED_ANNOTATION = `${GROUP}/created`;

const recommended = (name: string, instance: string) => ({
  "app.kubernetes.io/name": name,
  "app.kubernetes.io/instance": instance,
  "app.kubernetes.io/part-of": "agentpg",
  "app.kubernetes.io/managed-by": MANAGED_BY,
});

/** Labels of what a Tenant owns (Kubernetes' recommended labels, and ours). */
export const tenantLabels = (tenant: { metadata: { name: string; uid: string } }): Record<string, string> => ({
  ...recommended("agentpg-tenant", tenant.metadata.name),
  [TENANT_LABEL]: tenant.metadata.name,
  [TENANT_UID_LABEL]: tenant.metadata.uid,
});

/** What all pods of Agents have. */
export const AGENT_PODS = { "app.kubernetes.io/name": "agentpg-agent" };

/** What selects the pods of a key broker in its tenant's namespace. */
export const BROKER_SELECTOR = { "app.kubernetes.io/name": BROKER };

/** Labels of what belongs to a Tenant's key broker. */
export const brokerLabels = (tenant: { metadata: { name: string; uid: string } }): Record<string, string> => ({
  ...tenantLabels(tenant),
  ...BROKER_SELECTOR,
});

/** What selects an Agent's pods: never changes, for a Deployment's selector is immutable. */
export const agentSelector = (agentName: string): Record<string, string> => ({
  ...AGENT_PODS,
  [AGENT_LABEL]: agentName,
});

/** Labels of what an Agent owns. */
export const agentLabels = (agentName: string, tenantName: string): Record<string, string> => ({
  ...recommended("agentpg-agent", `agent-${agentName}`),
  ...agentSelector(agentName),
  [TENANT_LABEL]: tenantName,
});
