import { stringify } from "yaml";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import * as kinds from "../../kubernetes/resource-kind.ts";
import { resourcePath, type ResourceKind } from "../../kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../operator/caches.ts";
import { scrubText } from "../../telemetry/scrub.ts";
import { redacted } from "./redact.ts";

/** A file of the report. */
export interface ReportFile {
  name: string;
  text: string;
}

export interface CollectOptions {
  operatorNamespace: string;
  /** Tenants' prompts, statements and descriptions too. */
  words: boolean;
  /** Lines of each log. */
  logLines: number;
}

/** Of each namespace. Secrets are never read. ConfigMaps are left out: agents' hold their prompts. */
const NAMESPACED: readonly ResourceKind[] = [
  kinds.DEPLOYMENT,
  kinds.POD,
  kinds.SERVICE,
  kinds.NETWORK_POLICY,
  kinds.RESOURCE_QUOTA,
  kinds.LIMIT_RANGE,
  kinds.POD_DISRUPTION_BUDGET,
  kinds.ROLE_BINDING,
  kinds.EVENT,
];

type Pod = KubernetesObject & {
  spec?: { containers?: { name: string }[] };
  status?: { containerStatuses?: { name: string; restartCount?: number }[] };
};

/**
 * What somebody needs to see who is to help from afar, file by file. What the caller may not read is a file that says so: a report
 * with holes is better than none.
 */
export async function* collect(client: KubernetesClient, options: CollectOptions): AsyncGenerator<ReportFile> {
  const { operatorNamespace, words } = options;
  yield await tryFile("version.json", async () =>
    JSON.stringify(await client.request("GET", "/version"), undefined, 2),
  );
  yield await tryFile("crds.yaml", () => crds(client));
  const tenants = await client.list<KubernetesObject & { spec?: { namespace?: string } }>(TENANT).catch(() => []);
  yield await objects(client, "tenants.yaml", TENANT, undefined, words);
  yield await objects(client, "agents.yaml", AGENT, undefined, words);
  yield await objects(client, "operator/leases.yaml", kinds.LEASE, operatorNamespace, true);
  const namespaces = new Set([operatorNamespace, ...tenants.map((it) => it.spec?.namespace ?? it.metadata.name)]);
  for (const namespace of namespaces) {
    const folder = namespace === operatorNamespace ? "operator" : `namespaces/${namespace}`;
    for (const kind of NAMESPACED) yield await objects(client, `${folder}/${kind.plural}.yaml`, kind, namespace, words);
    yield* logs(client, folder, namespace, options.logLines);
  }
}

async function tryFile(name: string, text: () => Promise<string>): Promise<ReportFile> {
  try {
    return { name, text: scrubText(await text()) };
  } catch (error) {
    return { name: `${name}.not-read.txt`, text: scrubText(error instanceof Error ? error.message : String(error)) };
  }
}

const objects = (
  client: KubernetesClient,
  name: string,
  kind: ResourceKind,
  namespace: string | undefined,
  words: boolean,
) =>
  tryFile(name, async () => {
    const items = await client.list(kind, namespace);
    return stringify(
      items.map((it) => redacted({ apiVersion: kind.apiVersion, kind: kind.kind, ...it }, words)),
      { aliasDuplicateObjects: false },
    );
  });

async function crds(client: KubernetesClient): Promise<string> {
  const names = [TENANT, AGENT].map((it) => `${it.plural}.agentpg.dev`);
  const all = await Promise.all(names.map((it) => client.get(kinds.CUSTOM_RESOURCE_DEFINITION, it)));
  return stringify(
    all.map(({ metadata, status }) => ({ name: metadata.name, generation: metadata.generation, status })),
  );
}

async function* logs(
  client: KubernetesClient,
  folder: string,
  namespace: string,
  tailLines: number,
): AsyncGenerator<ReportFile> {
  const pods = await client.list<Pod>(kinds.POD, namespace).catch(() => []);
  for (const pod of pods) {
    const path = resourcePath(kinds.POD, namespace, pod.metadata.name, "log");
    for (const { name: container } of pod.spec?.containers ?? []) {
      const base = `${folder}/logs/${pod.metadata.name}-${container}`;
      const query = { container, tailLines };
      yield await tryFile(`${base}.log`, () => client.request<string>("GET", path, { query }).then(asText));
      const restarted = pod.status?.containerStatuses?.some(
        (it) => it.name === container && (it.restartCount ?? 0) > 0,
      );
      if (!restarted) continue;
      const before = { ...query, previous: true };
      yield await tryFile(`${base}.previous.log`, () =>
        client.request<string>("GET", path, { query: before }).then(asText),
      );
    }
  }
}

/** A log of one JSON line is read as JSON when the server says that it is. */
const asText = (it: unknown): string => (typeof it === "string" ? it : JSON.stringify(it));
