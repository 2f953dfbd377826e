import type { KubernetesClient } from "../kubernetes/client.ts";
import type { KubernetesObject } from "../kubernetes/object.ts";
import { POD } from "../kubernetes/resource-kind.ts";

/** A label selector, as the API server takes it, for all these labels. */
export const selectorOf = (labels: Record<string, string>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");

/** The pods in a namespace that have all these labels. Asked for each time: pods are not watched. */
export function podsWith(
  client: KubernetesClient,
  namespace: string,
  labels: Record<string, string>,
): Promise<KubernetesObject[]> {
  return client.list(POD, namespace, { labelSelector: selectorOf(labels) });
}
