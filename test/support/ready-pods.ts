import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { isConflict, isNotFound } from "../../src/kubernetes/errors.ts";
import { Reflector } from "../../src/kubernetes/reflector.ts";
import { POD } from "../../src/kubernetes/resource-kind.ts";
import { silentLogger } from "../../src/telemetry/log.ts";

const READY = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };

/** Stands for the scheduler, kubelet and runtime: whatever pod of an agent or a key broker there is, it is ready at once. */
export function readyPods(client: KubernetesClient, signal: AbortSignal): Promise<void> {
  const pods = new Reflector({
    client,
    kind: POD,
    logger: silentLogger,
    labelSelector: "app.kubernetes.io/name in (agentpg-agent,agentpg-broker)",
  });
  pods.onChange((change) => {
    if (change.type === "deleted" || change.previous || change.object.metadata.deletionTimestamp) return;
    const { name, namespace } = change.object.metadata;
    client.mergePatch(POD, name, namespace, { status: READY }, "status").catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error) && !signal.aborted) throw error;
    });
  });
  return pods.run(signal);
}
