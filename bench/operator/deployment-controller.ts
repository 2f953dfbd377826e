import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { isConflict } from "../../src/kubernetes/errors.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { DEPLOYMENT } from "../../src/kubernetes/resource-kind.ts";
import type { Watcher } from "./watcher.ts";

type Deployment = KubernetesObject & { spec: { replicas?: number }; status?: { observedGeneration?: number } };

/**
 * Stands for the controller manager, scheduler, kubelet and pods: whatever a Deployment wants, its status says at once that it is so.
 * kwok would make a ReplicaSet and a pod of each, five writes or so to the API server for each of the operator's, and the two
 * cores would mostly measure those.
 */
export function rollOutAtOnce(client: KubernetesClient, deployments: Watcher<KubernetesObject>): () => void {
  return deployments.on((object) => {
    const { metadata, spec, status } = object as Deployment;
    if (status?.observedGeneration === metadata.generation || metadata.deletionTimestamp) return;
    const count = spec.replicas ?? 1;
    const rolledOut = {
      observedGeneration: metadata.generation,
      replicas: count,
      updatedReplicas: count,
      readyReplicas: count,
      availableReplicas: count,
    };
    const { name, namespace, resourceVersion } = metadata;
    const body = { metadata: { resourceVersion }, status: rolledOut };
    client.mergePatch(DEPLOYMENT, name, namespace, body, "status").catch((error: unknown) => {
      if (!isConflict(error))
        process.stderr.write(`the status of Deployment ${name} was not written: ${String(error)}\n`);
    }); // after a conflict there is a newer event
  });
}
