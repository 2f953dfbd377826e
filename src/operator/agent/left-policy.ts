import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { ReconcileResult } from "../../kubernetes/controller.ts";
import { type KubernetesObject, splitKey } from "../../kubernetes/object.ts";
import { DEPLOYMENT, NETWORK_POLICY } from "../../kubernetes/resource-kind.ts";
import { AGENT, type Caches } from "../caches.ts";
import type { OperatorConfig } from "../config.ts";
import { found } from "../found.ts";
import { AGENT_LABEL, agentSelector } from "../labels.ts";
import { podsWith } from "../labelled-pods.ts";
import { isLiving } from "../model-access.ts";
import { operatorOf } from "../scope.ts";
import { ownedName } from "./objects/owner.ts";

/** How soon it is looked again whether the last pod has ended; one without work takes some seconds for that. */
const LOOK_AGAIN_MS = 5_000;

interface LeftPolicyDependencies {
  client: KubernetesClient;
  caches: Caches;
  config: OperatorConfig;
}

/** Of an Agent that is gone. One whose Tenant is not ours, or goes too, is not ours to take away. */
function leftPolicy({ caches, config }: LeftPolicyDependencies, key: string): KubernetesObject | undefined {
  const { namespace = "", name } = splitKey(key);
  const policy = caches.owned(NETWORK_POLICY)?.get(`${namespace}/${ownedName({ metadata: { name } })}`);
  if (policy?.metadata.labels?.[AGENT_LABEL] !== name || policy.metadata.deletionTimestamp) return undefined;
  const tenant = caches.tenantOfNamespace(namespace);
  if (!tenant || tenant.metadata.deletionTimestamp || tenant.status.operator !== operatorOf(config)) return undefined;
  return policy;
}

/**
 * What is done for an Agent that is gone: its NetworkPolicy is taken away once its last pod has ended. The garbage collector would do that
 * together with the Deployment, and pods that still finish their runs would be cut off from Postgres and the model. Needs no memory: what
 * is left over from before a restart is found in the caches' first lists.
 */
export async function endLeftPolicy(deps: LeftPolicyDependencies, key: string): Promise<ReconcileResult> {
  const { client, caches } = deps;
  const { namespace = "", name } = splitKey(key);
  const policy = leftPolicy(deps, key);
  if (!policy || caches.agents.unreadable.has(key)) return {};
  const { name: policyName, uid } = policy.metadata;
  if (caches.owned(DEPLOYMENT)?.get(`${namespace}/${policyName}`)) return {}; // makes pods until it goes, which is heard of
  const pods = await podsWith(client, namespace, agentSelector(name));
  if (pods.some(isLiving)) return { requeueAfterMs: LOOK_AGAIN_MS };
  if (await found(client.get(AGENT, name, namespace))) return {}; // made anew: it takes the policy over once it is heard of
  await client.delete(NETWORK_POLICY, policyName, namespace, uid);
  caches.owned(NETWORK_POLICY)?.forget(policy);
  return {};
}
