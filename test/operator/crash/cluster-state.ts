import type { KubernetesClient } from "../../../src/kubernetes/client.ts";
import { keyOf, type KubernetesObject } from "../../../src/kubernetes/object.ts";
import * as kinds from "../../../src/kubernetes/resource-kind.ts";
import { AGENT, OWNED_KINDS, TENANT } from "../../../src/operator/caches.ts";
import { AGENT_LABEL, MANAGED_SELECTOR } from "../../../src/operator/labels.ts";

/** All kinds that the operator owns objects of: those that it watches, and Secrets. */
const OWNED = [...OWNED_KINDS, kinds.SECRET];
/** Of a Secret, what is no secret; of the rest only that it is there. */
const OPEN_KEYS = new Set(["host", "port", "dbname", "username", "sslmode", "schema", "pooler", "current"]);

/**
 * What stays of an Agent whose Tenant is gone: the operator may not delete it. It is there if the Agent was ever looked at, and missing if it
 * was deleted by hand in the Tenant's last moments.
 */
const INERT = new Set(["Service", "ServiceAccount"]);

/** Everything of people and operator in the cluster, by what it is, and the uids that stand in it. */
export interface ClusterState {
  objects: Map<string, object>;
  /** What each uid and each hash means. */
  meanings: Map<string, string>;
}

export async function clusterState(client: KubernetesClient, prefix: string): Promise<ClusterState> {
  const lists = await Promise.all([
    client.list<KubernetesObject>(TENANT).then((items) => items.map((it) => ({ kind: "Tenant", it }))),
    client.list<KubernetesObject>(AGENT).then((items) => items.map((it) => ({ kind: "Agent", it }))),
    ...OWNED.map(async ({ kind, ...more }) => {
      const items = await client.list<KubernetesObject>({ kind, ...more }, undefined, {
        labelSelector: MANAGED_SELECTOR,
      });
      return items.map((it) => ({ kind, it }));
    }),
  ]);
  const found = lists.flat().filter(({ it }) => (it.metadata.namespace ?? it.metadata.name).startsWith(prefix));
  const meanings = new Map<string, string>();
  for (const { kind, it } of found) {
    const { uid, name, namespace } = it.metadata;
    meanings.set(uid ?? "", `uid of ${kind} ${namespace ?? ""}/${name}`);
    const revision = (it["status"] as { configRevision?: string } | undefined)?.configRevision;
    if (revision) meanings.set(revision, `configuration of ${namespace}/${name}`);
  }
  const stranded = new Set(
    found.filter(({ kind, it }) => kind === "Agent" && hasNoTenant(it)).map(({ it }) => keyOf(it)),
  );
  const isInert = ({ kind, it }: (typeof found)[number]) =>
    INERT.has(kind) && stranded.has(`${it.metadata.namespace}/${it.metadata.labels?.[AGENT_LABEL]}`);
  const objects = new Map(
    found
      .filter((one) => !isInert(one))
      .map(({ kind, it }) => [`${kind} ${it.metadata.namespace ?? ""}/${it.metadata.name}`, essence(kind, it)]),
  );
  return { objects, meanings };
}

const hasNoTenant = (it: KubernetesObject): boolean =>
  (it["status"] as { conditions?: { reason: string }[] } | undefined)?.conditions?.some(
    ({ reason }) => reason === "NoTenant",
  ) ?? false;

/** An object without what no two runs have in common: versions, addresses, and how often it was written on the way. */
function essence(kind: string, it: KubernetesObject): object {
  const { labels = {}, annotations = {}, ownerReferences, finalizers, deletionTimestamp } = it.metadata;
  const { "deployment.kubernetes.io/revision": _revision, "agentpg.dev/applied": _hash, ...kept } = annotations;
  const metadata = {
    labels,
    annotations: kept,
    ownerReferences,
    finalizers,
    deleting: deletionTimestamp !== undefined,
  };
  const { apiVersion: _a, kind: _k, metadata: _m, status, ...rest } = it;
  if (kind === "Agent" && hasNoTenant(it)) {
    const { endpoint: _endpoint, configRevision: _revision, ...said } = status as Record<string, unknown>;
    return { metadata, status: said, ...rest };
  }
  if (kind === "Tenant" || kind === "Agent") return { metadata, status, ...rest };
  if (kind === "Secret") return { metadata, ...rest, data: openData(rest["data"] as Record<string, string>) };
  if (kind !== "Service") return { metadata, ...rest };
  const { clusterIP: _ip, clusterIPs: _ips, ...spec } = rest["spec"] as Record<string, unknown>;
  return { metadata, ...rest, spec };
}

const openData = (data: Record<string, string> = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries(data).map(([key, value]) => {
      if (OPEN_KEYS.has(key)) return [key, Buffer.from(value, "base64").toString()];
      return [key, value === "" ? "empty" : "something"];
    }),
  );
