import { execFile } from "node:child_process";
import { readFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import { KubernetesClient } from "../../kubernetes/client.ts";
import { loadKubeConfig, type PooledKubeConfig } from "../../kubernetes/kube-config.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import * as kinds from "../../kubernetes/resource-kind.ts";
import type { ResourceKind } from "../../kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../operator/caches.ts";
import type { Progress } from "../../telemetry/progress.ts";
import { waitFor } from "../wait.ts";
import type { ModelEndpoint } from "./helm-values.ts";
import { helmValues } from "./helm-values.ts";
import {
  claudeManifests,
  namespaceManifest,
  newPostgresFiles,
  postgresManifests,
  secretManifest,
  type Manifest,
  type PostgresFiles,
} from "./manifests.ts";
import { BACKEND_NAMESPACE, CHART, DEMO_MANIFESTS, OPERATOR_NAMESPACE } from "./paths.ts";

const run = promisify(execFile);
const FIELD_MANAGER = "agentpg-demo";

/** The cluster as the demo uses it. */
export interface Environment {
  kubeconfig: string;
  config: PooledKubeConfig;
  client: KubernetesClient;
  helm: string;
  progress: Progress;
  /** Names of the images in the cluster. */
  images: { product: string; backends: string };
}

export function openEnvironment(
  options: Pick<Environment, "kubeconfig" | "helm" | "progress" | "images">,
): Environment {
  const config = loadKubeConfig(options.kubeconfig);
  return { ...options, config, client: new KubernetesClient(config) };
}

export async function applyManifests(client: KubernetesClient, manifests: readonly Manifest[]): Promise<void> {
  for (const { kind, object } of manifests) await client.apply(kind, object, { fieldManager: FIELD_MANAGER });
}

interface Rollout {
  spec: { replicas?: number };
  status?: { readyReplicas?: number; updatedReplicas?: number; observedGeneration?: number };
}

/** Waits until a Deployment's pods are ready. */
export const waitForDeployment = (
  client: KubernetesClient,
  name: string,
  namespace: string,
  seconds = 120,
  detail?: (text: string) => void,
): Promise<unknown> =>
  waitFor(
    () => client.get<Rollout>(kinds.DEPLOYMENT, name, namespace),
    ({ spec, status }) =>
      (status?.readyReplicas ?? 0) >= (spec.replicas ?? 1) && (status?.updatedReplicas ?? 0) >= (spec.replicas ?? 1),
    {
      seconds,
      say: ({ spec, status }) => {
        detail?.(`${status?.readyReplicas ?? 0} of ${spec.replicas ?? 1} pods of ${name} ready`);
        return `Deployment ${namespace}/${name} has ${status?.readyReplicas ?? 0} ready pods`;
      },
    },
  );

/** The files of the Postgres that is there already, when the demo is run again on its cluster; else new ones. */
async function postgresFiles(client: KubernetesClient): Promise<PostgresFiles> {
  const secrets = await client.list<{ metadata: { name: string }; data: Record<string, string> }>(
    kinds.SECRET,
    BACKEND_NAMESPACE,
  );
  const found = secrets.find(({ metadata }) => metadata.name === "postgres");
  if (!found) return newPostgresFiles();
  const files = Object.entries(found.data).map(([name, value]) => [name, Buffer.from(value, "base64").toString()]);
  return Object.fromEntries(files) as PostgresFiles;
}

/** Postgres and the simulated Claude, ready. */
export async function installBackends(
  { client, progress, images }: Environment,
  simulated: boolean,
): Promise<{ ca: string }> {
  return progress.step(
    `starting Postgres (TLS, SCRAM)${simulated ? " and the simulated Claude" : ""}`,
    async (detail) => {
      await applyManifests(client, [namespaceManifest(BACKEND_NAMESPACE), namespaceManifest(OPERATOR_NAMESPACE)]);
      const files = await postgresFiles(client);
      await applyManifests(client, [
        ...postgresManifests(files, images.backends),
        ...(simulated ? claudeManifests(images.backends) : []),
      ]);
      await waitForDeployment(client, "postgres", BACKEND_NAMESPACE, 180, detail);
      if (simulated) await waitForDeployment(client, "claude", BACKEND_NAMESPACE, 120, detail);
      return { ca: files["ca.crt"] };
    },
  );
}

/** `helm upgrade --install`, with the chart as people get it. */
export async function installChart(
  { client, kubeconfig, helm, progress, images }: Environment,
  endpoint: ModelEndpoint,
): Promise<void> {
  await progress.step("helm install agentpg charts/agentpg", async (detail) => {
    const folder = await mkdtemp(join(tmpdir(), "agentpg-values-"));
    try {
      const values = join(folder, "values.json");
      await writeFile(values, JSON.stringify(helmValues(endpoint, images.product)));
      await run(helm, [
        "upgrade",
        "--install",
        "agentpg",
        CHART,
        "--kubeconfig",
        kubeconfig,
        "--namespace",
        OPERATOR_NAMESPACE,
        "--values",
        values,
      ]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    await waitForDeployment(client, "agentpg", OPERATOR_NAMESPACE, 180, detail);
  });
}

const KINDS: Record<string, ResourceKind> = { Namespace: kinds.NAMESPACE, Tenant: TENANT, Agent: AGENT };

async function applyFile(client: KubernetesClient, file: string): Promise<void> {
  const documents = parseAllDocuments(await readFile(join(DEMO_MANIFESTS, file), "utf8"));
  for (const document of documents) {
    const object = document.toJS() as KubernetesObject;
    const kind = KINDS[object.kind ?? ""];
    if (!kind) throw new Error(`${file}: the demo does not know kind ${object.kind}`);
    await client.apply(kind, object, { fieldManager: FIELD_MANAGER });
  }
}

type WithConditions = KubernetesObject & {
  status?: { conditions?: { type: string; status: string; reason: string; message: string }[] };
};

const readyCondition = (it: WithConditions) => it.status?.conditions?.find(({ type }) => type === "Ready");

/** Waits until all Tenants and Agents of the demo are Ready, saying what each waits for. */
async function waitForReady(
  { client }: Environment,
  kind: ResourceKind,
  names: [string, string?][],
  detail: (text: string) => void,
): Promise<void> {
  await waitFor(
    () => Promise.all(names.map(([name, namespace]) => client.get<WithConditions>(kind, name, namespace))),
    (objects) => objects.every((it) => readyCondition(it)?.status === "True"),
    {
      seconds: 180,
      say: (objects) => {
        const waiting = objects
          .filter((it) => readyCondition(it)?.status !== "True")
          .map((it) => `${it.metadata.name}: ${readyCondition(it)?.message ?? "not looked at yet"}`);
        detail(waiting.join("; "));
        return waiting.join("; ");
      },
    },
  );
}

/** `kubectl apply` of the example files, and the API keys. */
export async function applyTenants(environment: Environment, apiKey: string): Promise<void> {
  const { client, progress } = environment;
  await progress.step("kubectl apply: Tenants acme and globex", async (detail) => {
    await applyFile(client, "tenants.yaml");
    await applyManifests(
      client,
      ["acme", "globex"].map((namespace) => secretManifest("anthropic", namespace, { "api-key": apiKey })),
    );
    await waitForReady(environment, TENANT, [["acme"], ["globex"]], detail);
  });
}

export async function applyAgents(environment: Environment): Promise<void> {
  await environment.progress.step(
    "kubectl apply: Agents acme/support, acme/researcher, globex/assistant",
    async (detail) => {
      await applyFile(environment.client, "agents.yaml");
      const agents: [string, string][] = [
        ["support", "acme"],
        ["researcher", "acme"],
        ["assistant", "globex"],
      ];
      await waitForReady(environment, AGENT, agents, detail);
    },
  );
}
