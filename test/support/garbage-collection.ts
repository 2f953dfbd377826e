import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { CONFIG_MAP } from "../../src/kubernetes/resource-kind.ts";
import { AGENT } from "../../src/operator/caches.ts";
import { found } from "../../src/operator/found.ts";
import { anAgent } from "./builders.ts";
import { eventually } from "./eventually.ts";

const BY = { fieldManager: "test" };
const NAMESPACE = "default";

/**
 * Waits until what Agents own is collected. The controller manager looks for new kinds every 30 s; what it could not judge before, it
 * looks at again later and later, up to minutes.
 */
export async function agentsAreCollected(client: KubernetesClient): Promise<void> {
  const { metadata } = await client.apply<KubernetesObject>(AGENT, anAgent(NAMESPACE, "collected"), BY);
  await client.delete(AGENT, "collected", NAMESPACE);
  let n = 0;
  await eventually(
    async () => {
      // A new one each time: the first may be one that is looked at again late.
      const name = `collected-${++n}`;
      const ownerReferences = [
        { apiVersion: AGENT.apiVersion, kind: AGENT.kind, name: "collected", uid: metadata.uid ?? "" },
      ];
      await client.apply(CONFIG_MAP, { metadata: { name, namespace: NAMESPACE, ownerReferences } }, BY);
      return eventually(
        () => found(client.get<KubernetesObject>(CONFIG_MAP, name, NAMESPACE)),
        (it) => it === undefined,
        1,
        50,
      );
    },
    () => true,
    60,
  );
}
