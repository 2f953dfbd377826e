import { expect, test } from "vitest";
import { agent as agentSchema } from "../../../api/agent.ts";
import { rolloutStrategy, workspaceMounts, workspaceVolumes } from "./workspace.ts";

const anAgent = (spec: object = {}) =>
  agentSchema.parse({
    metadata: { name: "a", namespace: "acme", uid: "u" },
    spec: { model: "claude-sonnet-5-5", tools: [{ name: "notes", description: "d", files: {} }], ...spec },
  });

test("only an agent whose tools use it has a workspace", () => {
  expect(workspaceVolumes(anAgent({ tools: [] }))).toEqual([]);
  expect(workspaceMounts(anAgent({ tools: [] }))).toEqual([]);
  expect(workspaceVolumes(anAgent())).toEqual([{ name: "workspace", emptyDir: { sizeLimit: "1Gi" } }]);
  expect(workspaceMounts(anAgent())).toEqual([{ name: "workspace", mountPath: "/workspace" }]);
  const shell = { name: "shell", description: "d", commands: { it: { argv: ["du"] } } };
  expect(workspaceVolumes(anAgent({ tools: [shell], workspace: { size: "10Mi" } }))).toEqual([
    { name: "workspace", emptyDir: { sizeLimit: "10Mi" } },
  ]);
});

test("a claim takes the place of the pod's own volume", () => {
  expect(workspaceVolumes(anAgent({ workspace: { claimName: "shared" } }))).toEqual([
    { name: "workspace", persistentVolumeClaim: { claimName: "shared" } },
  ]);
});

test("a single pod lets go of its claim before the next one comes", () => {
  const workspace = { claimName: "shared" };
  expect(rolloutStrategy(anAgent())).toMatchObject({ type: "RollingUpdate" });
  expect(rolloutStrategy(anAgent({ workspace }))).toEqual({ type: "Recreate" });
  expect(rolloutStrategy(anAgent({ workspace, replicas: 2 }))).toMatchObject({ type: "RollingUpdate" });
});
