// From `kubectl apply` of a new Tenant and Agent to the first streamed token from its pod, on a local cluster with the image present.
//   npm run bench:first-answer [-- --runs 5]      the last line is one JSON object
import { parseArgs } from "node:util";
import { API_PORT, METRICS_PORT } from "../src/api/agent-config.ts";
import { readyPods, requestToken } from "../src/cli/agent-access.ts";
import { buildProductImage } from "../src/cli/demo/images.ts";
import { runDemo } from "../src/cli/demo/run.ts";
import { KubernetesClient } from "../src/kubernetes/client.ts";
import { loadKubeConfig } from "../src/kubernetes/kube-config.ts";
import type { KubernetesObject } from "../src/kubernetes/object.ts";
import { forwardPort } from "../src/kubernetes/port-forward.ts";
import * as kinds from "../src/kubernetes/resource-kind.ts";
import { clusterDown, ensureCluster } from "../src/local-cluster/index.ts";
import { AGENT, TENANT } from "../src/operator/caches.ts";
import { AgentClient } from "../src/runtime/client.ts";
import { silentProgress, terminalProgress } from "../src/telemetry/progress.ts";
import { waitFor } from "../src/cli/wait.ts";
import { median } from "./median.ts";

const { values } = parseArgs({ options: { runs: { type: "string", default: "5" } } });
const runs = Number(values.runs);
const name = "agentpg-bench";

const rounded = (n: number, digits = 2): number => Number(n.toFixed(digits));

type Watched = KubernetesObject & {
  status?: { conditions?: { type: string; status: string }[]; credentialsRevision?: string };
};

const until = <T>(look: () => Promise<T>, good: (seen: T) => boolean) =>
  waitFor(look, good, { seconds: 60, say: () => "not yet", everyMs: 50 });

interface Stages {
  tenantReady: number;
  podScheduled: number;
  podReady: number;
  firstToken: number;
}

/** One new Tenant with one new Agent; seconds since the apply at which each stage was reached. */
async function measure(
  client: KubernetesClient,
  config: ReturnType<typeof loadKubeConfig>,
  n: number,
): Promise<Stages> {
  const tenant = `bench-${n}`;
  const apply = (kind: kinds.ResourceKind, object: object) =>
    client.apply(kind, object as never, { fieldManager: "bench" });
  await apply(kinds.NAMESPACE, { metadata: { name: tenant, labels: { "agentpg.dev/tenant": tenant } } });
  await apply(kinds.SECRET, {
    metadata: { name: "anthropic", namespace: tenant },
    stringData: { "api-key": "sk-ant-bench" },
  });
  await apply(kinds.SERVICE_ACCOUNT, { metadata: { name: "visitor", namespace: tenant } });
  const token = await requestToken(client, tenant, "visitor");
  const started = performance.now();
  const since = () => (performance.now() - started) / 1000;
  await apply(TENANT, {
    metadata: { name: tenant },
    spec: { deletionPolicy: "Delete", anthropic: { apiKeySecretRef: { name: "anthropic" } } },
  });
  await apply(AGENT, { metadata: { name: "agent", namespace: tenant }, spec: { model: "claude-haiku-5-5" } });
  const stages = { tenantReady: 0, podScheduled: 0, podReady: 0, firstToken: 0 };
  await until(
    () => client.get<Watched>(TENANT, tenant),
    (it) => it.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false,
  );
  stages.tenantReady = since();
  await until(
    () => client.list<{ spec?: { nodeName?: string } }>(kinds.POD, tenant),
    (pods) => pods.some(({ spec }) => spec?.nodeName),
  );
  stages.podScheduled = since();
  const [pod] = await until(
    () => readyPods(client, tenant, "agent"),
    (pods) => pods.length > 0,
  );
  stages.podReady = since();
  const forwarded = await forwardPort(config, tenant, pod?.metadata.name ?? "", API_PORT);
  const agent = new AgentClient({ baseUrl: `http://127.0.0.1:${forwarded.port}`, token });
  const session = await agent.createSession();
  for await (const event of agent.run(session.id, "Hello")) {
    if (event.type !== "text.delta") continue;
    stages.firstToken = since();
    break;
  }
  await forwarded.close();
  await client.delete(TENANT, tenant);
  return stages;
}

/** Resident memory (VmRSS) of a pod's process in MiB, as its own metrics give it. */
async function residentMiB(config: ReturnType<typeof loadKubeConfig>, namespace: string, pod: string): Promise<number> {
  const forwarded = await forwardPort(config, namespace, pod, METRICS_PORT);
  try {
    const text = await (
      await fetch(`http://127.0.0.1:${forwarded.port}/metrics`, { headers: { connection: "close" } })
    ).text();
    return Number(/^process_resident_memory_bytes(?:\{[^}]*\})? (\S+)/m.exec(text)?.[1]) / 2 ** 20;
  } finally {
    await forwarded.close();
  }
}

const code = await runDemo({ check: true, keep: true, name });
if (code !== 0) throw new Error("the demo does not work here: run `npm run demo -- --check` to see why");
const cluster = await ensureCluster({ name, progress: silentProgress });
const config = loadKubeConfig(cluster.kubeconfig);
const client = new KubernetesClient(config);
try {
  const progress = terminalProgress();
  const measured: Stages[] = [];
  for (let n = 1; n <= runs; n++)
    measured.push(await progress.step(`run ${n} of ${runs}`, () => measure(client, config, n)));
  const stage = (key: keyof Stages) => rounded(median(measured.map((it) => it[key])));
  const [operator] = await client.list<KubernetesObject>(kinds.POD, "agentpg-system", {
    labelSelector: "app.kubernetes.io/name=agentpg-operator",
  });
  const [agent] = await readyPods(client, "globex", "assistant");
  const image = await buildProductImage(silentProgress);
  const result = {
    firstTokenSecondsMedian: stage("firstToken"),
    stagesSecondsMedian: {
      tenantReady: stage("tenantReady"),
      podScheduled: stage("podScheduled"),
      podReady: stage("podReady"),
      firstToken: stage("firstToken"),
    },
    firstTokenSeconds: measured.map((it) => rounded(it.firstToken)),
    operatorRssMiB: rounded(await residentMiB(config, "agentpg-system", operator?.metadata.name ?? ""), 1),
    agentIdleRssMiB: rounded(await residentMiB(config, "globex", agent?.metadata.name ?? ""), 1),
    imageMiB: rounded(image.bytes / 2 ** 20, 1),
    runs,
  };
  console.log(JSON.stringify(result));
} finally {
  await config.close();
  await clusterDown({ name, progress: terminalProgress() });
}
