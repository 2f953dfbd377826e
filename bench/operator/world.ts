import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { NAMESPACE, resourcePath, SERVICE_ACCOUNT, type ResourceKind } from "../../src/kubernetes/resource-kind.ts";
import { startControlPlane } from "../../src/local-cluster/index.ts";
import type { Progress } from "../../src/telemetry/progress.ts";
import { connect, installDefinitions } from "../../test/support/custom-resources.ts";
import { startPostgres, type TestPostgres } from "../../test/support/postgres.ts";
import { AuditLog } from "./audit.ts";

export const SYSTEM_NAMESPACE = "agentpg-system";

const CLUSTER_ROLE_BINDING: ResourceKind = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  plural: "clusterrolebindings",
  namespaced: false,
};

/** A fresh API server with its etcd and a fresh Postgres; everything that runs in it has a user of its own, so that the audit log tells them apart. */
export interface World {
  /** As the administrator: for what the benchmark prepares. */
  client: KubernetesClient;
  postgres: TestPostgres;
  audit: AuditLog;
  folder: string;
  /** The kubeconfig of a user that may do everything. */
  kubeconfigOf(user: string): Promise<string>;
  /** Ends something before the world itself ends. */
  onStop(stop: () => Promise<unknown>): void;
  stop(): Promise<void>;
}

export const userName = (user: string): string => `system:serviceaccount:${SYSTEM_NAMESPACE}:${user}`;

async function tokenOf(client: KubernetesClient, user: string): Promise<string> {
  const by = { fieldManager: "bench" };
  await client.apply(SERVICE_ACCOUNT, { metadata: { name: user, namespace: SYSTEM_NAMESPACE } }, by);
  const binding = {
    metadata: { name: `bench-${user}` },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ kind: "ServiceAccount", name: user, namespace: SYSTEM_NAMESPACE }],
  };
  await client.apply(CLUSTER_ROLE_BINDING, binding, by);
  const path = resourcePath(SERVICE_ACCOUNT, SYSTEM_NAMESPACE, user, "token");
  const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 86_400 } };
  return (await client.request<{ status: { token: string } }>("POST", path, { body: request })).status.token;
}

async function kubeconfigWith(token: string, administrator: string, path: string): Promise<string> {
  const config = parse(await readFile(administrator, "utf8")) as { users: { user: object }[] };
  for (const it of config.users) it.user = { token };
  await writeFile(path, stringify(config), { mode: 0o600 });
  return path;
}

export async function startWorld(progress: Progress): Promise<World> {
  const stops: (() => Promise<unknown>)[] = [];
  let stopping: Promise<void> | undefined;
  const stopAll = async () => {
    for (const end of stops.splice(0).toReversed()) await end().catch(() => {}); // the rest goes all the same
  };
  const stop = () => (stopping ??= stopAll());
  try {
    const folder = await mkdtemp(join(tmpdir(), "agentpg-bench-operator-"));
    stops.push(() => rm(folder, { recursive: true, force: true }));
    const plane = await startControlPlane({
      progress,
      name: "bench",
      isLarge: true,
      auditLog: true,
      apiServerArguments: ["--audit-log-maxsize=100000"], // MiB: never begins a second file
    });
    stops.push(() => plane.stop());
    const postgres = await startPostgres({ settings: { "pg_stat_statements.max": "100000" } });
    stops.push(() => postgres.stop());
    const { client, close } = connect(plane.kubeconfig);
    stops.push(close);
    await installDefinitions(client);
    await client.apply(NAMESPACE, { metadata: { name: SYSTEM_NAMESPACE } }, { fieldManager: "bench" });
    return {
      client,
      postgres,
      audit: new AuditLog(plane.auditLog ?? ""),
      folder,
      kubeconfigOf: async (user) =>
        kubeconfigWith(await tokenOf(client, user), plane.kubeconfig, join(folder, `${user}.kubeconfig`)),
      onStop: (end) => void stops.push(end),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
