import { setTimeout as sleep } from "node:timers/promises";
import { BROKER } from "../../api/broker-config.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import { ApiError, ApiUnreachable } from "../../kubernetes/errors.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import * as kinds from "../../kubernetes/resource-kind.ts";
import { SECRETS_ANNOTATION } from "../labels.ts";

/** The kubelet hears of a Secret and of a pod by two watches: the Secret's news should be there first. */
const HEAD_START_MS = 500;

/**
 * Has the kubelet bring changed Secrets into the pods of agents and of the key broker at once: it looks at a pod's volumes when the
 * pod changes, else about once a minute. What does not work out is left to that: the pods get the Secret all the same.
 * @param revision names what changed; no secret
 */
export async function nudgePods(client: KubernetesClient, namespace: string, revision: string): Promise<void> {
  try {
    await sleep(HEAD_START_MS);
    const pods = await client.list<KubernetesObject>(kinds.POD, namespace, {
      labelSelector: `app.kubernetes.io/name in (agentpg-agent,${BROKER})`,
    });
    const unaware = pods.filter((it) => it.metadata.annotations?.[SECRETS_ANNOTATION] !== revision);
    const patch = { metadata: { annotations: { [SECRETS_ANNOTATION]: revision } } };
    await Promise.allSettled(unaware.map((it) => client.mergePatch(kinds.POD, it.metadata.name, namespace, patch)));
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof ApiUnreachable)) throw error;
  }
}
