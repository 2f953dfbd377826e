import { clusterDown, ensureCluster, ensureTools, isBuilt, type Cluster } from "../../local-cluster/index.ts";
import { tenantDatabaseNames } from "../../api/names.ts";
import { NAMESPACE, SECRET } from "../../kubernetes/resource-kind.ts";
import { TENANT } from "../../operator/caches.ts";
import { terminalProgress, type Progress } from "../../telemetry/progress.ts";
import { waitFor } from "../wait.ts";
import { openDatabase, query } from "./database-window.ts";
import {
  applyAgents,
  applyTenants,
  installBackends,
  installChart,
  openEnvironment,
  type Environment,
} from "./environment.ts";
import type { ModelEndpoint } from "./helm-values.ts";
import { loadImages } from "./images.ts";
import { proveIsolation } from "./isolation.ts";
import { ADMIN_SECRET } from "./manifests.ts";
import { showMetrics } from "./metrics.ts";
import { BACKEND_NAMESPACE, OPERATOR_NAMESPACE } from "./paths.ts";
import { startRelay } from "./relay.ts";
import { createVisitors, talk } from "./talk.ts";

export interface DemoOptions {
  kubeconfig?: string;
  /** Exit 0 or 1 at the end instead of staying up. */
  check?: boolean;
  name?: string;
  /** `auto`: enforcing where that needs no long build first. */
  dataPlane?: "auto" | "enforcing" | "any";
  /** Leave the cluster up at the end. */
  keep?: boolean;
  /** Images that the cluster's nodes can pull; both, or they are built. */
  image?: string;
  backendsImage?: string;
}

/** acme's own table, in acme's data schema, as a platform engineer would put it there: by the operator's role, as the tenant's owner. */
async function seedOrders(environment: Environment, ca: string): Promise<void> {
  const { status } = await environment.client.get<{ status: { schema: string } }>(TENANT, "acme");
  const { dataSchema, owner } = tenantDatabaseNames(status.schema);
  const admin = await environment.client.get<{ data: Record<string, string> }>(
    SECRET,
    ADMIN_SECRET,
    OPERATOR_NAMESPACE,
  );
  const read = (key: string) => Buffer.from(admin.data[key] ?? "", "base64").toString();
  const window = await openDatabase(environment, ca);
  try {
    await query(
      { ...window.settings, user: read("username"), password: read("password") },
      `set role ${owner}`,
      `create table if not exists ${dataSchema}.orders (id int primary key, item text, status text, delivery date)`,
      `insert into ${dataSchema}.orders values (1042, 'blue lamp', 'shipped', '2026-11-25'), (1043, 'red lamp', 'in stock', null) on conflict do nothing`,
    );
  } finally {
    await window.close();
  }
}

interface Model {
  endpoint: ModelEndpoint;
  apiKey: string;
  close(): Promise<void>;
}

/** The real Messages API when there is a key, else the simulated one. A cluster built from source has no way out: a relay carries its calls. */
async function chooseModel(cluster: Cluster, progress: Progress): Promise<Model> {
  const apiKey = process.env["ANTHROPIC_API_KEY"];
  const nothing = () => Promise.resolve();
  if (!apiKey) {
    progress.note("the model is simulated (set ANTHROPIC_API_KEY to use the real one)");
    return { endpoint: { kind: "simulated" }, apiKey: "sk-ant-demo-not-a-real-key", close: nothing };
  }
  progress.note("ANTHROPIC_API_KEY is set: the agents use the real Messages API");
  if (cluster.provider !== "source" || !cluster.hostAddress)
    return { endpoint: { kind: "anthropic" }, apiKey, close: nothing };
  const relay = await startRelay(cluster.hostAddress);
  const url = `http://${cluster.hostAddress}:${relay.port}`;
  return {
    endpoint: { kind: "relay", url, address: cluster.hostAddress, port: relay.port },
    apiKey,
    close: relay.close,
  };
}

const NEXT = (kubeconfig: string, kubectl: string, helm: string) => `
── Try next ──
  export KUBECONFIG=${kubeconfig}
  ${kubectl} get tenants,agents -A
  ${kubectl} describe tenant acme
  ${kubectl} -n acme scale agent/support --replicas=2
  npm run agentpg -- chat support --namespace acme --kubeconfig ${kubeconfig}
  npm run agentpg -- status --kubeconfig ${kubeconfig}
  ${kubectl} -n acme port-forward deployment/agent-support 9090     # metrics: curl http://localhost:9090/metrics
  ${helm} upgrade agentpg charts/agentpg -n ${OPERATOR_NAMESPACE} --reuse-values --set console.enabled=true   # the web console: docs/console.md
`;

/** Cilium is a third of what a cluster from source takes to build: the first demo does without it, and says so. */
async function chooseDataPlane(asked: DemoOptions["dataPlane"], progress: Progress): Promise<"enforcing" | "any"> {
  if (asked === "enforcing" || asked === "any") return asked;
  if (await isBuilt("cilium-agent")) return "enforcing";
  progress.note(
    "a cluster from source ignores NetworkPolicy here until Cilium is built: --data-plane enforcing builds it (about 5 minutes more, once)",
  );
  return "any";
}

/** Everything that the demo shows, on a cluster that is up. */
async function show(environment: Environment, cluster: Cluster, model: Model): Promise<void> {
  const simulated = model.endpoint.kind === "simulated";
  const { ca } = await installBackends(environment, simulated);
  await installChart(environment, model.endpoint);
  await applyTenants(environment, model.apiKey);
  await seedOrders(environment, ca);
  await applyAgents(environment);
  await createVisitors(environment);
  await talk(environment, simulated);
  await proveIsolation(environment, ca, cluster.enforcesNetworkPolicy);
  await showMetrics(environment);
}

/** Takes the demo out of a cluster that is not ours to delete. */
async function cleanUp({ client, progress }: Environment): Promise<void> {
  await progress.step("removing the demo from the cluster", async () => {
    for (const tenant of ["acme", "globex"]) await client.delete(TENANT, tenant);
    await waitFor(
      () => client.list(TENANT),
      (all) => all.length === 0,
      { seconds: 120, say: (all) => `${all.length} Tenants are still being deleted` },
    );
    for (const namespace of ["acme", "globex", `${OPERATOR_NAMESPACE}-probe`, OPERATOR_NAMESPACE, BACKEND_NAMESPACE])
      await client.delete(NAMESPACE, namespace);
  });
}

/** `agentpg demo`. Gives the exit code. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const progress = terminalProgress();
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort());
  const stopped = new Promise<void>((resolve) =>
    interrupted.signal.addEventListener("abort", () => resolve(), { once: true }),
  );
  const name = options.name ?? "agentpg";
  let cluster: Cluster | undefined;
  let environment: Environment | undefined;
  let model: Model | undefined;
  let code = 0;
  try {
    const work = async () => {
      cluster = await ensureCluster({
        name,
        kubeconfig: options.kubeconfig,
        dataPlane: await chooseDataPlane(options.dataPlane, progress),
        progress,
        signal: interrupted.signal,
      });
      const tools = await ensureTools(["helm", "kubectl"], progress);
      const { image, backendsImage } = options;
      const images =
        image && backendsImage ? { product: image, backends: backendsImage } : await loadImages(cluster, progress);
      environment = openEnvironment({
        kubeconfig: cluster.kubeconfig,
        helm: tools["helm"] ?? "helm",
        progress,
        images,
      });
      model = await chooseModel(cluster, progress);
      await show(environment, cluster, model);
      process.stdout.write(NEXT(cluster.kubeconfig, tools["kubectl"] ?? "kubectl", tools["helm"] ?? "helm"));
    };
    // An interruption ends the wait; what is under way is cut off by taking the cluster down.
    await Promise.race([work(), stopped]);
    if (!interrupted.signal.aborted) progress.note("the demo works");
    if (!options.check && !interrupted.signal.aborted) {
      progress.note("staying up; Ctrl-C takes everything down");
      const awake = setInterval(() => {}, 60_000); // waiting for a signal alone does not keep a process alive
      await stopped;
      clearInterval(awake);
    }
  } catch (error) {
    progress.note(`the demo failed: ${error instanceof Error ? error.message : String(error)}`);
    code = 1;
  }
  if (interrupted.signal.aborted && options.check) code = 130;
  await model?.close();
  if (options.keep) return code;
  try {
    if (cluster?.provider === "existing") {
      if (environment) await cleanUp(environment);
    } else {
      await clusterDown({ name, progress });
    }
  } catch (error) {
    progress.note(`not everything could be taken down: ${error instanceof Error ? error.message : String(error)}`);
    code ||= 1;
  }
  await environment?.config.close();
  return code;
}
