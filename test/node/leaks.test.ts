// Where secrets could show that only a node has: the processes of pods, what kubectl describes, and core dumps.
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { KubernetesClient } from "../../src/kubernetes/client.ts";
import { loadKubeConfig, type PooledKubeConfig } from "../../src/kubernetes/kube-config.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { ensureTools } from "../../src/local-cluster/index.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";

const demo = inject("demo");
let config: PooledKubeConfig;
let client: KubernetesClient;
let secrets: string[];

/** Those of the demo's tenants and the operator's own. */
const NAMESPACES = ["acme", "globex", "agentpg-system"];
const SECRET_KEYS = /^(password|api-key|key-\d+|token|tls\.key)$/;

beforeAll(async () => {
  config = loadKubeConfig(demo.kubeconfig);
  client = new KubernetesClient(config);
  const lists = await Promise.all(
    NAMESPACES.map((it) => client.list<{ data?: Record<string, string> }>(kinds.SECRET, it)),
  );
  secrets = lists
    .flat()
    .flatMap(({ data = {} }) => Object.entries(data))
    .filter(([key]) => SECRET_KEYS.test(key))
    .map(([, value]) => Buffer.from(value, "base64").toString())
    .filter((it) => it !== "");
});
afterAll(() => config?.close());

const leaksIn = (text: string): number =>
  secrets.filter((it) => text.includes(it) || text.includes(Buffer.from(it).toString("base64").replace(/=+$/, "")))
    .length;

interface PodProcess {
  name: string;
  read(file: string): Promise<string>;
}

/** The processes of pods, as somebody sees them who is root on the node. */
async function podProcesses(): Promise<PodProcess[]> {
  const read = (pid: string, file: string) => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
  const found: PodProcess[] = [];
  for (const pid of (await readdir("/proc")).filter((it) => /^\d+$/.test(it))) {
    if (!(await read(pid, "cgroup")).includes("kubepods")) continue;
    found.push({ name: (await read(pid, "cmdline")).replaceAll("\0", " "), read: (file) => read(pid, file) });
  }
  return found;
}

test("no process of a pod has a secret in its environment or its arguments, and none would leave its memory in a core dump", async () => {
  expect(secrets.length).toBeGreaterThanOrEqual(3); // the other tests may have deleted a tenant before
  const processes = await podProcesses();
  const ours = processes.filter(({ name }) => /agentpg\.mjs (runtime|operator)/.test(name));
  expect(ours.length).toBeGreaterThanOrEqual(3);
  for (const { name, read } of processes) {
    expect(leaksIn(await read("environ")), `environment of ${name}`).toBe(0);
    expect(leaksIn(await read("cmdline")), "arguments").toBe(0);
  }
  for (const { name, read } of ours) expect([name, await read("coredump_filter")]).toEqual([name, "00000000\n"]);
});

test("kubectl describes no secret", async () => {
  const { kubectl } = await ensureTools(["kubectl"], silentProgress);
  const described =
    "pods,deployments,replicasets,configmaps,secrets,serviceaccounts,events,agents.agentpg.dev,tenants.agentpg.dev";
  const texts = await Promise.all(
    NAMESPACES.map(async (it) => {
      const args = ["--kubeconfig", demo.kubeconfig, "describe", described, "--namespace", it];
      return (await promisify(execFile)(kubectl, args, { maxBuffer: 64 << 20 })).stdout;
    }),
  );
  for (const [i, text] of texts.entries()) {
    expect(text.length, NAMESPACES[i]).toBeGreaterThan(2000);
    expect(leaksIn(text), NAMESPACES[i]).toBe(0);
  }
});
