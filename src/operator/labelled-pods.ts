import type { KubernetesClient } from "../kubernetes/client.ts";
import type { KubernetesObject } from "../kubernetes/object.ts";
import { POD } from "../kubernetes/resource-kind.ts";

/** The pods in a namespace that have all these labels. Asked for each time: pods are not watched. */
export function podsWith(
  client: KubernetesClient,
  namespace: string,
  labels: Record<string, string>,
): Promise<KubernetesObject[]> {
  const labelSelector = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  return client.list(POD, namespace, { labelSelector });
}
