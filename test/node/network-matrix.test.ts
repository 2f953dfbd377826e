// Who reaches whom, with packets: two tenants, the operator, a scraper and a stranger, on a data plane that enforces policies.
import { type ChildProcess, spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { readyPods } from "../../src/cli/agent-access.ts";
import { KubernetesClient } from "../../src/kubernetes/client.ts";
import { loadKubeConfig, type PooledKubeConfig } from "../../src/kubernetes/kube-config.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { readState } from "../../src/local-cluster/source/cluster-state.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { anAgent, aTenant } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { MATRIX, SOURCES } from "../support/network-matrix.ts";
import { conditionOf, type Conditioned } from "../support/operator-harness.ts";
import { execIn, NODE, type Pod, reached, restrictedPod, startBystander } from "./bystanders.ts";

const demo = inject("demo");
const METADATA = "169.254.169.254";
let config: PooledKubeConfig;
let client: KubernetesClient;
let image: string;
let metadataServer: ChildProcess;

/** A metadata service as clouds have it: on the node, at its link-local address. */
async function startMetadataServer(): Promise<ChildProcess> {
  const state = await readState("agentpg-test");
  if (!state) throw new Error("the cluster agentpg-test is not up");
  const listen = `require("net").createServer((it) => it.end()).listen(80, "${METADATA}")`;
  const script = `ip addr add ${METADATA}/32 dev lo; exec "$0" -e '${listen}'`;
  return spawn("nsenter", [`--target=${state.node.pid}`, "--net", "--", "sh", "-c", script, process.execPath], {
    stdio: "inherit",
  });
}

const firstPod = async (namespace: string, labelSelector: string) => {
  const [pod] = await client.list<Pod>(kinds.POD, namespace, { labelSelector });
  if (!pod) throw new Error(`${namespace} has no pod ${labelSelector}`);
  return pod;
};
const theAgent = async (namespace: string, agent: string) =>
  (
    await eventually(
      () => readyPods(client, namespace, agent) as unknown as Promise<Pod[]>,
      (pods) => pods.length > 0,
      120,
    )
  )[0] as Pod;

/** Whether the operator keeps its hands off the Tenant acme. */
async function pause(paused: boolean): Promise<void> {
  await client.mergePatch(TENANT, "acme", undefined, { spec: { paused: paused || null } });
  const isPaused = (it: Conditioned) => conditionOf(it, "Paused")?.status === "True";
  await eventually(
    () => client.get<Conditioned>(TENANT, "acme"),
    (it) => isPaused(it) === paused,
    30,
  );
}

beforeAll(async () => {
  config = loadKubeConfig(demo.kubeconfig);
  client = new KubernetesClient(config);
  image = (await theAgent("acme", "support")).spec.containers[0]?.image ?? "";
  await client.apply(
    kinds.NAMESPACE,
    { metadata: { name: "umbrella", labels: { "agentpg.dev/tenant": "umbrella" } } },
    { fieldManager: "test" },
  );
  const key = { metadata: { name: "anthropic", namespace: "umbrella" }, stringData: { "api-key": "sk-ant-planted" } };
  await client.apply(kinds.SECRET, key, { fieldManager: "test" });
  await client.apply(TENANT, aTenant("umbrella"), { fieldManager: "test" });
  await client.apply(AGENT, anAgent("umbrella", "helper"), { fieldManager: "test" });
  metadataServer = await startMetadataServer();
});
afterAll(async () => {
  metadataServer?.kill();
  for (const namespace of ["acme", "umbrella", "monitoring"]) await client?.delete(kinds.POD, "bystander", namespace);
  await client?.delete(AGENT, "helper", "umbrella");
  await config?.close();
});

describe("on a data plane that enforces policies", () => {
  test("NetworkReady says so, from a probe with packets", async () => {
    const tenant = await eventually(
      () => client.get<Conditioned>(TENANT, "acme"),
      (it) => conditionOf(it, "NetworkReady")?.reason !== "NotProbed",
      120,
    );
    expect(conditionOf(tenant, "NetworkReady")).toMatchObject({ status: "True", reason: "Enforced" });
    const left = () => client.list(kinds.POD, "agentpg-system-probe");
    await eventually(left, (pods) => pods.length === 0, 30); // the kubelet ends them after the result is told
  });

  test("each source reaches what it may, and nothing else: tenants, database, model, metadata address, API server", async () => {
    const [agentA, agentB] = await Promise.all([theAgent("acme", "support"), theAgent("umbrella", "helper")]);
    const operator = await firstPod("agentpg-system", "app.kubernetes.io/name=agentpg-operator");
    const [podA, podB, stranger] = [
      await startBystander(client, "acme", image),
      await startBystander(client, "umbrella", image),
      await startBystander(client, "monitoring", image),
    ];
    const sources = [agentA, agentB, podA, podB, operator, stranger];
    const backend = (app: string) => firstPod("agentpg-demo", `app=${app}`);
    const at = ({ status }: Pod, port: number) => `${status?.podIP}:${port}`;
    const server = await client.get<{ subsets: { addresses: { ip: string }[]; ports: { port: number }[] }[] }>(
      { ...kinds.SERVICE, kind: "Endpoints", plural: "endpoints" },
      "kubernetes",
      "default",
    );
    const [subset] = server.subsets;
    const targets = [
      at(agentA, 8080),
      at(agentA, 9090),
      at(agentB, 8080),
      at(agentB, 9090),
      at(podA, 7000),
      at(podB, 7000),
      at(await backend("postgres"), 5432),
      at(await backend("claude"), 8080),
      `${METADATA}:80`,
      `${subset?.addresses[0]?.ip}:${subset?.ports[0]?.port}`,
      at(operator, 9090),
    ];
    const name = (index: number) => String.fromCharCode("a".charCodeAt(0) + index);
    const rows = await Promise.all(
      sources.map(async (source, row) => {
        const named = Object.fromEntries(targets.map((target, index) => [name(index), target]));
        const seen = await reached(demo.kubeconfig, source, named);
        const marks = targets.map((target, index) => {
          if (target.startsWith(`${source.status?.podIP}:`)) return ".";
          return seen[name(index)] ? "+" : "-";
        });
        return [SOURCES[row], marks.join("")] as const;
      }),
    );
    expect(Object.fromEntries(rows)).toEqual(MATRIX);
  }, 240_000);

  test("an agent's pod has no Kubernetes token on its disk, and a weak pod is not let into its namespace", async () => {
    const look = `console.log(require("fs").existsSync("/var/run/secrets/kubernetes.io"))`;
    expect(await execIn(demo.kubeconfig, await theAgent("acme", "support"), NODE, "-e", look)).toBe("false");
    const weak = restrictedPod("acme", "weak", image, ["network-probe", "listen", "7000"]);
    const spec = { ...weak.spec, hostNetwork: true };
    const forged = { ...weak, metadata: { ...weak.metadata, labels: { "app.kubernetes.io/name": "agentpg-agent" } } };
    await pause(true); // else the label is set right, and Pod Security is first to refuse
    try {
      await client.mergePatch(kinds.NAMESPACE, "acme", undefined, {
        metadata: { labels: { "pod-security.kubernetes.io/enforce": "privileged" } },
      });
      await expect(client.create(kinds.POD, { ...weak, spec }, "acme")).rejects.toThrow("hostNetwork must not be true");
      await expect(client.create(kinds.POD, forged, "acme")).rejects.toThrow("only the operator's Deployments");
    } finally {
      await pause(false);
    }
    const enforced = (it: KubernetesObject) => it.metadata.labels?.["pod-security.kubernetes.io/enforce"];
    await eventually(
      () => client.get(kinds.NAMESPACE, "acme"),
      (it) => enforced(it) === "restricted",
      30,
    );
    await expect(client.create(kinds.POD, { ...weak, spec }, "acme")).rejects.toThrow(
      'violates PodSecurity "restricted',
    );
  });
});
