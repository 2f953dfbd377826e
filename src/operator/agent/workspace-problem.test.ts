import { expect, test } from "vitest";
import { agent as agentSchema } from "../../api/agent.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import { startProblem } from "./start-problem.ts";
import { commandsAreWrong, workspaceWarning } from "./workspace-problem.ts";

const anAgent = (spec: object) =>
  agentSchema.parse({
    metadata: { name: "a", namespace: "acme", uid: "u" },
    spec: { model: "claude-sonnet-5-5", ...spec },
  });
const files = { name: "notes", description: "d", files: {} };
const commands = (argv: string[]) => ({ name: "shell", description: "d", commands: { it: { argv } } });

test("a command that cannot be run is named with its tool", () => {
  expect(commandsAreWrong({ agent: anAgent({ tools: [files, commands(["du", "-sh"])] }) })).toBeUndefined();
  expect(commandsAreWrong({ agent: anAgent({ tools: [files, commands(["du", "{path}"])] }) })).toEqual({
    reason: "ToolInvalid",
    message: "spec.tools: shell.commands.it.argv: {path} is not declared: add arguments.path with a pattern or an enum",
  });
});

test("several pods with a workspace each are warned of", () => {
  expect(workspaceWarning(anAgent({ tools: [files] }))).toBeUndefined();
  expect(workspaceWarning(anAgent({ replicas: 2 }))).toBeUndefined();
  expect(
    workspaceWarning(anAgent({ replicas: 2, tools: [files], workspace: { claimName: "shared" } })),
  ).toBeUndefined();
  expect(workspaceWarning(anAgent({ replicas: 2, tools: [files] }))).toContain("spec.workspace.claimName");
  expect(workspaceWarning(anAgent({ replicas: 2, tools: [commands(["du"])] }))).toContain("each of the 2 pods");
});

test.each([
  'persistentvolumeclaim "shared" not found. preemption: not eligible',
  "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims",
])("a claim that is not there is no lack of nodes: %s", (message) => {
  const conditions = [{ type: "PodScheduled", status: "False", message }];
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p" },
    status: { conditions },
  } as unknown as KubernetesObject;
  expect(startProblem([pod])).toMatchObject({ reason: "WorkspaceMissing", message: expect.stringContaining(message) });
});
