import type { KubernetesObject } from "../../kubernetes/object.ts";
import type { Problem } from "./validate.ts";

interface Terminated {
  reason?: string;
  exitCode?: number;
  /** What the process wrote to its termination log (src/runtime/main.ts). */
  message?: string;
}

interface ContainerStatus {
  state?: { waiting?: { reason?: string; message?: string }; terminated?: Terminated };
  lastState?: { terminated?: Terminated };
  restartCount?: number;
}

interface PodStatus {
  phase?: string;
  containerStatuses?: ContainerStatus[];
  conditions?: { type: string; status: string; reason?: string; message?: string }[];
}

/** What a pod says of a configuration that it cannot run: a module that cannot be loaded, a tool that cannot be had. */
export const CONFIGURATION_REFUSED = "ConfigurationRefused";

const IMAGE = new Set(["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"]);

function podProblem(pod: KubernetesObject): Problem | undefined {
  const status = (pod["status"] ?? {}) as PodStatus;
  const name = pod.metadata.name;
  const scheduled = status.conditions?.find((it) => it.type === "PodScheduled" && it.status === "False");
  // There is no code for it. An agent's only claim is that of its workspace.
  if (scheduled && /persistentvolumeclaim/i.test(scheduled.message ?? ""))
    return {
      reason: "WorkspaceMissing",
      message: `pod ${name} cannot have the PersistentVolumeClaim of spec.workspace.claimName (${scheduled.message}): create it in this namespace, correct the name, or see why it is not bound`,
    };
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
      if (end?.exitCode === 2 && end.message) return { reason: CONFIGURATION_REFUSED, message: end.message };
      const how = `${end?.reason ?? "error"}, exit code ${end?.exitCode ?? "unknown"}`;
      return {
        reason: "PodCrashes",
        message: `pod ${name} ended (${how}): ${end?.message || `see kubectl logs --previous ${name}`}`,
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
