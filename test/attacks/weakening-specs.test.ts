// What a tenant developer may write into an Agent to get a weaker pod: there is no such field, and what has none is dropped.
import { describe, expect, test } from "vitest";
import {
  agentObjects,
  anOperatorConfig,
  madeAgent,
  madeTenant,
  type MadeObject,
  tenantObjects,
} from "../support/made-objects.ts";

const config = anOperatorConfig();
const tenant = madeTenant("acme");

interface PodSpec {
  containers: {
    resources: { limits: Record<string, string> };
    securityContext: object;
    volumeMounts: { name: string; readOnly?: boolean }[];
  }[];
  initContainers: object[];
  volumes: Record<string, unknown>[];
  securityContext: object;
}
const podOf = (objects: MadeObject[]): PodSpec => {
  const spec = objects.find((it) => it.kind === "Deployment")?.spec as { template: { spec: PodSpec } };
  return spec.template.spec;
};

const WEAK_CONTEXT = {
  privileged: true,
  runAsUser: 0,
  runAsNonRoot: false,
  allowPrivilegeEscalation: true,
  readOnlyRootFilesystem: false,
  capabilities: { add: ["SYS_ADMIN"] },
  seccompProfile: { type: "Unconfined" },
};
const MODULES = [{ name: "shop", configMapKeyRef: { name: "tools", key: "shop.ts" } }];
const TOOLS = [
  { name: "notes", description: "d", files: { access: "ReadWrite" } },
  { name: "shell", description: "d", commands: { usage: { argv: ["du", "-sh"] } } },
  {
    name: "wiki",
    description: "d",
    mcp: { url: "https://mcp.example.com", allowedTools: ["search"], tokenSecretRef: { name: "wiki", key: "token" } },
  },
];

/** Specs of Agents, the field that they try in their names. */
const SPECS: [string, object][] = [
  ["nothing", {}],
  [
    "all that there is",
    { replicas: 3, tools: TOOLS, modules: MODULES, dataProtection: { pii: "Redact", encryptTranscripts: true } },
  ],
  ["securityContext", { securityContext: WEAK_CONTEXT }],
  ["podSecurityContext", { podSecurityContext: WEAK_CONTEXT }],
  ["hostNetwork, hostPID and hostIPC", { hostNetwork: true, hostPID: true, hostIPC: true }],
  [
    "a template",
    { template: { spec: { hostNetwork: true, containers: [{ name: "agent", securityContext: WEAK_CONTEXT }] } } },
  ],
  ["containers", { containers: [{ name: "agent", securityContext: WEAK_CONTEXT }] }],
  ["initContainers", { initContainers: [{ name: "root", image: "x", securityContext: WEAK_CONTEXT }] }],
  ["sidecars", { sidecars: [{ name: "root", image: "x", securityContext: WEAK_CONTEXT }] }],
  ["a volume of the node", { volumes: [{ name: "root", hostPath: { path: "/" } }] }],
  ["a workspace of the node", { tools: TOOLS, workspace: { hostPath: "/" } }],
  ["a token", { automountServiceAccountToken: true, serviceAccountName: "admin" }],
  ["an image", { image: "evil.example.com/root:latest" }],
  ["a command", { command: ["sh", "-c", "id"], args: ["--inspect"] }],
  ["the environment", { env: [{ name: "NODE_OPTIONS", value: "--require=/tmp/x" }] }],
  ["resources without limits", { resources: { limits: {} } }],
  ["resources with requests alone", { resources: { requests: { cpu: "1" } } }],
];

describe("an Agent whose spec tries", () => {
  test.each(SPECS)(
    "%s gets pods that are restricted, without a token, and cannot write to their image",
    (_what, spec) => {
      const pod = podOf(agentObjects(madeAgent("acme", "clerk", spec), tenant, config));
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        serviceAccountName: "agent-clerk",
        enableServiceLinks: false,
        initContainers: [],
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 1000,
          runAsGroup: 1000,
          fsGroup: 1000,
          seccompProfile: { type: "RuntimeDefault" },
        },
      });
      for (const field of [
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "hostUsers",
        "shareProcessNamespace",
        "runtimeClassName",
      ])
        expect(pod).not.toHaveProperty(field);
      expect(pod.containers).toHaveLength(1);
      const [container] = pod.containers;
      expect(container).toMatchObject({ name: "agent", image: config.image, args: ["runtime"] });
      expect(container).not.toHaveProperty("command");
      expect(container?.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        privileged: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        runAsUser: 1000,
        capabilities: { drop: ["ALL"] },
        seccompProfile: { type: "RuntimeDefault" },
      });
      expect(container?.resources.limits["memory"]).toBeTruthy();
    },
  );

  test.each(SPECS)(
    "%s mounts nothing of the node, and can write to its scratch space and its workspace alone",
    (_what, spec) => {
      const pod = podOf(agentObjects(madeAgent("acme", "clerk", spec), tenant, config));
      const kinds = new Set(pod.volumes.flatMap((it) => Object.keys(it).filter((key) => key !== "name")));
      for (const kind of kinds)
        expect(["configMap", "secret", "projected", "emptyDir", "persistentVolumeClaim"]).toContain(kind);
      const writable = pod.containers.flatMap((it) => it.volumeMounts).filter((it) => !it.readOnly);
      expect(["tmp", "workspace"]).toEqual(expect.arrayContaining(writable.map((it) => it.name)));
      expect(JSON.stringify(pod.volumes)).not.toContain("serviceAccountToken");
    },
  );
});

test("a tenant's namespace enforces Pod Security `restricted`, warns of it and records it", () => {
  const made = tenantObjects(tenant, config).find((it) => it.kind === "Namespace");
  expect(made?.metadata.labels).toMatchObject({
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
    "pod-security.kubernetes.io/audit": "restricted",
    "pod-security.kubernetes.io/warn": "restricted",
  });
});
