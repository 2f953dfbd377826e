// A tenant whose key only its broker has: real tokens of a real kubelet, and packets.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { openAgent, readyPods, requestToken } from "../../src/cli/agent-access.ts";
import { KubernetesClient } from "../../src/kubernetes/client.ts";
import { loadKubeConfig, type PooledKubeConfig } from "../../src/kubernetes/kube-config.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { ensureTools } from "../../src/local-cluster/index.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { anAgent, aTenant } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { conditionOf, type Conditioned } from "../support/operator-harness.ts";

type Pod = KubernetesObject & { status?: { podIP?: string } };
const run = promisify(execFile);
const demo = inject("demo");
const KEY = "sk-ant-for-the-broker-alone";
let config: PooledKubeConfig;
let client: KubernetesClient;
let kubectl: string;

const apply = (kind: kinds.ResourceKind, object: object) =>
  client.apply(kind, object as never, { fieldManager: "test" });
const podOf = async (namespace: string, labelSelector: string) =>
  (await client.list<Pod>(kinds.POD, namespace, { labelSelector }))[0] as Pod;
const node = async (pod: string, ...args: string[]) => {
  const command = ["exec", pod, "--", "/usr/local/bin/node", ...args];
  return (await run(kubectl, ["--kubeconfig", demo.kubeconfig, "-n", "vault", ...command])).stdout.trim();
};

beforeAll(async () => {
  config = loadKubeConfig(demo.kubeconfig);
  client = new KubernetesClient(config);
  kubectl = (await ensureTools(["kubectl"], silentProgress)).kubectl;
  await apply(kinds.NAMESPACE, { metadata: { name: "vault", labels: { "agentpg.dev/tenant": "vault" } } });
  await apply(kinds.SECRET, { metadata: { name: "anthropic", namespace: "vault" }, stringData: { "api-key": KEY } });
  await apply(TENANT, aTenant("vault", { anthropic: { access: "Broker" }, deletionPolicy: "Delete" }));
  await apply(AGENT, anAgent("vault", "helper"));
  await apply(kinds.SERVICE_ACCOUNT, { metadata: { name: "visitor", namespace: "vault" } });
}, 60_000);
afterAll(async () => {
  await client?.delete(TENANT, "vault");
  await config?.close();
});

test("an agent behind a key broker answers, has no key, and reaches the model through the broker alone", async () => {
  await eventually(
    () => client.get<Conditioned>(AGENT, "helper", "vault"),
    (it) => conditionOf(it, "Ready")?.status === "True",
    120,
  );
  const open = await openAgent({ client, config }, "vault", "helper", () => requestToken(client, "vault", "visitor"));
  const { id } = await open.agent.createSession();
  expect(await open.agent.ask(id, "Hello")).toMatchObject({ state: "completed" });
  await open.close();

  const [agent] = await readyPods(client, "vault", "helper");
  const [broker, claude] = [
    await podOf("vault", "app.kubernetes.io/name=agentpg-broker"),
    await podOf("agentpg-demo", "app=claude"),
  ];
  const name = agent?.metadata.name ?? "";
  const dial = (pod: string, ...targets: string[]) =>
    node(pod, "/app/agentpg.mjs", "network-probe", "dial", ...targets);
  const out = await dial(name, `broker=${broker.status?.podIP}:8080`, `model=${claude.status?.podIP}:8080`);
  const seen = JSON.parse(out.split("\n").at(-1) ?? "") as Record<string, string>;
  expect(seen["broker"]).toBe("connected");
  expect(seen["model"]).not.toBe("connected");

  // Everything that the pod mounts is below /etc/agentpg; its token is good for the broker, and for nothing else.
  const look = `const fs = require("fs"); const all = fs.readdirSync("/etc/agentpg", { recursive: true, withFileTypes: true });
    const files = all.filter((it) => it.isFile()).map((it) => fs.readFileSync(it.parentPath + "/" + it.name, "utf8"));
    console.log(files.length, files.some((it) => it.includes(${JSON.stringify(KEY)})))`;
  expect(await node(name, "-e", look)).toMatch(/^[1-9]\d* false$/);
  const token = await node(name, "-p", `require("fs").readFileSync("/etc/agentpg/broker-token/token", "utf8")`);
  const review = await client.request<{ status: { authenticated?: boolean } }>(
    "POST",
    "/apis/authentication.k8s.io/v1/tokenreviews",
    { body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token } } },
  );
  expect(review.status.authenticated ?? false).toBe(false);
}, 180_000);
