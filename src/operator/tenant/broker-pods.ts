import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import { DEPLOYMENT } from "../../kubernetes/resource-kind.ts";
import type { Applier } from "../applier.ts";
import { BROKER_SELECTOR } from "../labels.ts";
import { podsWith } from "../labelled-pods.ts";

export const isOfBroker = ({ metadata }: KubernetesObject): boolean =>
  Object.entries(BROKER_SELECTOR).every(([key, value]) => metadata.labels?.[key] === value);

/**
 * Ends the pods of a tenant's key broker; returns how many are left. What else is the broker's goes when none is: without its policy they
 * cannot say goodbye to Postgres, and wait for that until they are killed.
 */
export async function stopBrokerPods(client: KubernetesClient, applier: Applier, namespace: string): Promise<number> {
  await applier.prune(DEPLOYMENT, namespace, isOfBroker);
  return (await podsWith(client, namespace, BROKER_SELECTOR)).length;
}
