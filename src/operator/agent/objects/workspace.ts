import { type Agent, needsWorkspace } from "../../../api/agent.ts";
import { WORKSPACE_PATH } from "../../../api/workspace.ts";

const NAME = "workspace";

/** The volume of the tools that work with files; no agent without such a tool has one. */
export function workspaceVolumes({ spec: { tools, workspace } }: Agent): object[] {
  if (!needsWorkspace(tools)) return [];
  const { claimName, size } = workspace;
  if (claimName) return [{ name: NAME, persistentVolumeClaim: { claimName } }];
  return [{ name: NAME, emptyDir: { sizeLimit: String(size) } }];
}

export const workspaceMounts = ({ spec: { tools } }: Agent): object[] =>
  needsWorkspace(tools) ? [{ name: NAME, mountPath: WORKSPACE_PATH }] : [];

/**
 * A claim that one node at a time may mount would hold the new pod up for ever while the old one has it: a single pod
 * goes before its successor comes.
 */
export const rolloutStrategy = ({ spec: { tools, workspace, replicas } }: Agent): object =>
  needsWorkspace(tools) && workspace.claimName && replicas <= 1
    ? { type: "Recreate" }
    : { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } };
