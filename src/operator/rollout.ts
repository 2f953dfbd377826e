import type { KubernetesObject } from "../kubernetes/object.ts";

interface DeploymentStatus {
  observedGeneration?: number;
  replicas?: number;
  updatedReplicas?: number;
  readyReplicas?: number;
  availableReplicas?: number;
  conditions?: { type: string; status: string; reason?: string; message?: string }[];
}

export const deploymentStatus = (deployment: KubernetesObject | undefined): DeploymentStatus =>
  deployment?.["status"] ?? {};

/** Whether the Deployment's controller has seen its newest spec, and all its pods run that. */
export function isRolledOut(deployment: KubernetesObject | undefined, wanted: number): boolean {
  if (!deployment) return false;
  const {
    updatedReplicas = 0,
    replicas = 0,
    availableReplicas = 0,
    observedGeneration = 0,
  } = deploymentStatus(deployment);
  const counts = [updatedReplicas, replicas, availableReplicas];
  return observedGeneration >= (deployment.metadata.generation ?? 0) && counts.every((count) => count === wanted);
}
