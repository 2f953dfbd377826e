import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import type { ResourceKind } from "../../src/kubernetes/resource-kind.ts";
import { ensureTools } from "../../src/local-cluster/index.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";

const chart = join(import.meta.dirname, "..", "..", "charts", "agentpg");
const REQUIRED = ["--set", "database.host=postgres.example.com", "--set", "database.credentialsSecret=admin"];

export type Rendered = KubernetesObject & { apiVersion: string; kind: string } & Record<string, unknown>;

/** The chart as `helm template` gives it for the release `agentpg` in `agentpg-system`: the operator is `agentpg` there. */
export async function renderChart(...values: string[]): Promise<Rendered[]> {
  const { helm } = await ensureTools(["helm"], silentProgress);
  const args = ["template", "agentpg", chart, "--namespace", "agentpg-system", ...REQUIRED, ...values];
  const { status, stdout, stderr } = spawnSync(helm, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`helm ${args.join(" ")}: ${stderr}`);
  return parseAllDocuments(stdout)
    .map((it) => it.toJS() as Rendered | null)
    .filter((it) => it !== null);
}

const CLUSTER_SCOPED = new Set(["Namespace", "ClusterRole", "ClusterRoleBinding"]);

const kindOf = ({ apiVersion, kind }: Rendered): ResourceKind => ({
  apiVersion,
  kind,
  plural: `${kind.toLowerCase()}s`.replace(/ys$/, "ies"),
  namespaced: !CLUSTER_SCOPED.has(kind) && !apiVersion.startsWith("admissionregistration"),
});

/** Applies those of the chart's objects whose kind is asked for, in the chart's order. */
export async function applyChart(
  client: KubernetesClient,
  objects: readonly Rendered[],
  kinds: readonly string[],
): Promise<void> {
  for (const it of objects.filter(({ kind }) => kinds.includes(kind)))
    await client.apply(kindOf(it), it, { fieldManager: "helm" });
}
