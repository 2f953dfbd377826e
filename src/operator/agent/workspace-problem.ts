import { type Agent, needsWorkspace } from "../../api/agent.ts";
import { commandsProblem } from "../../api/command.ts";
import type { Problem } from "./validate.ts";

/** Commands that cannot be run as they are written. */
export function commandsAreWrong({ agent }: { agent: Agent }): Problem | undefined {
  for (const { name, commands } of agent.spec.tools) {
    const problem = commands && commandsProblem(commands);
    if (problem) return { reason: "ToolInvalid", message: `spec.tools: ${name}.${problem}` };
  }
  return undefined;
}

/** What works, but perhaps not as it is meant. */
export function workspaceWarning({ spec }: Agent): string | undefined {
  if (spec.replicas <= 1 || spec.workspace.claimName || !needsWorkspace(spec.tools)) return undefined;
  return `each of the ${spec.replicas} pods has a workspace of its own, so a session may not find the files that it wrote: set spec.workspace.claimName to a PersistentVolumeClaim that is ReadWriteMany, or spec.replicas to 1`;
}
