import type { KubernetesObject } from "../kubernetes/object.ts";
import { BROKER_TOKEN_VOLUME } from "./shared-names.ts";

interface PodSpec {
  volumes?: { name: string }[];
}

/** Whether an agent's pod reaches the model through the key broker; one that does not has the API key. */
export const usesBroker = (pod: KubernetesObject): boolean =>
  ((pod["spec"] ?? {}) as PodSpec).volumes?.some(({ name }) => name === BROKER_TOKEN_VOLUME) ?? false;

const OVER = ["Succeeded", "Failed"];

/** Pods that may still have something to ask. One that is to end finishes its work first. */
export const isLiving = (pod: KubernetesObject): boolean =>
  !OVER.includes(((pod["status"] ?? {}) as { phase?: string }).phase ?? "");
