import type { KubernetesObject } from "../../kubernetes/object.ts";
import type { Problem } from "./validate.ts";

interface ContainerStatus {
  state?: { waiting?: { reason?: string; message?: string }; terminated?: { reason?: string; exitCode?: number } };
  lastState?: { terminated?: { reason?: string; exitCode?: number } };
  restartCount?: number;
}

interface PodStatus {
  phase?: string;
  containerStatuses?: ContainerStatus[];
  conditions?: { type: string; status: string; reason?: string; message?: string }[];
}

const IMAGE = new Set(["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"]);

function podProblem(pod: KubernetesObject): Problem | undefined {
  const status = (pod["status"] ?? {}) as PodStatus;
  const name = pod.metadata.name;
  const scheduled = status.conditions?.find((it) => it.type === "PodScheduled" && it.status === "False");
  if (scheduled)
    return {
      reason: "Unschedulable",
      message: `pod ${name} fits on no node (${scheduled.message ?? "no reason given"}): add nodes, or lower spec.resources.requests`,
    };
  for (const { state, lastState } of status.containerStatuses ?? []) {
    const waiting = state?.waiting?.reason;
    if (waiting && IMAGE.has(waiting))
      return {
        reason: "ImageUnavailable",
        message: `pod ${name} cannot get its image (${waiting}): check the operator's image value and its pull secrets`,
      };
    if (waiting === "CrashLoopBackOff" || state?.terminated) {
      const end = lastState?.terminated ?? state?.terminated;
      return {
        reason: "PodCrashes",
        message: `pod ${name} ended (${end?.reason ?? "error"}, exit code ${end?.exitCode ?? "unknown"}): see kubectl logs --previous ${name}`,
      };
    }
    if (waiting === "CreateContainerConfigError" || waiting === "CreateContainerError") {
      return { reason: "PodNotCreated", message: `pod ${name}: ${state?.waiting?.message ?? waiting}` };
    }
  }
  return undefined;
}

/** Why the newest pods do not start, or undefined. */
export const startProblem = (pods: readonly KubernetesObject[]): Problem | undefined =>
  pods
    .filter((pod) => !pod.metadata.deletionTimestamp)
    .map(podProblem)
    .find((it) => it !== undefined);
