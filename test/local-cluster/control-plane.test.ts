import { CoreV1Api, VersionApi } from "@kubernetes/client-node";
import { readdir, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadKubeConfig } from "../../src/kubernetes/kube-config.ts";
import { type ControlPlane, startControlPlane } from "../../src/local-cluster/control-plane.ts";
import { terminalProgress } from "../../src/telemetry/progress.ts";

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane({ progress: terminalProgress(), name: "test", auditLog: true });
});
afterAll(() => plane?.stop());

test("the kubeconfig reaches an API server that makes objects", async () => {
  const config = loadKubeConfig(plane.kubeconfig);
  expect((await config.makeApiClient(VersionApi).getCode()).minor).toBe("36");
  const core = config.makeApiClient(CoreV1Api);
  await core.createNamespace({ body: { metadata: { name: "made-here" } } });
  expect((await core.readNamespace({ name: "made-here" })).metadata?.uid).toBeTruthy();
  await config.close();
});

test("the audit log tells of the request", async () => {
  const lines = (await readFile(plane.auditLog!, "utf8")).trim().split("\n");
  expect(lines.map((line) => JSON.parse(line).requestURI)).toContain("/api/v1/namespaces");
});

test("two run at once, and one that is stopped leaves no process and no file", async () => {
  const other = await startControlPlane({ progress: terminalProgress(), name: "test" });
  const folder = dirname(other.kubeconfig);
  const running = async () => {
    const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
    const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
    return lines.filter((line) => line.includes(folder)).length;
  };
  expect(await running()).toBe(2);
  await other.stop();
  await other.stop();
  expect(await running()).toBe(0);
  await expect(stat(folder)).rejects.toThrow("ENOENT");
});

test("an argument that kube-apiserver refuses is shown with the end of its log", async () => {
  const broken = startControlPlane({ progress: terminalProgress(), apiServerArguments: ["--no-such-flag"] });
  await expect(broken).rejects.toThrow(/kube-apiserver ended[\s\S]*no-such-flag/);
});
