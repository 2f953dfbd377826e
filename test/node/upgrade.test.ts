// The chart's life on a real cluster, by the commands of the documentation, with requests going on all the time: removed, the release
// before this one installed, upgraded, rolled back, upgraded again, uninstalled, installed again.
// It takes the demo's release away, so it is this suite's last file (vitest.config.ts).
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { query } from "../../src/cli/demo/database-window.ts";
import { helmValues } from "../../src/cli/demo/helm-values.ts";
import { ADMIN_SECRET } from "../../src/cli/demo/manifests.ts";
import { BACKEND_NAMESPACE, OPERATOR_NAMESPACE } from "../../src/cli/demo/paths.ts";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import { KubernetesClient } from "../../src/kubernetes/client.ts";
import { loadKubeConfig, type PooledKubeConfig } from "../../src/kubernetes/kube-config.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { type ForwardedPort, forwardPort } from "../../src/kubernetes/port-forward.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { ensureCluster } from "../../src/local-cluster/index.ts";
import { TENANT } from "../../src/operator/caches.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { allObjects } from "../support/all-objects.ts";
import { aTenant } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { conditionOf, type Conditioned } from "../support/operator-harness.ts";
import { type Pod, reachedAtOnce, startBystander } from "./bystanders.ts";
import { type Callers, startCallers } from "./callers.ts";
import { type Desk, openDesk } from "./documented-commands.ts";
import * as lasting from "./lasting-tenant.ts";
import { buildPreviousImage, PREVIOUS_CHART, PREVIOUS_SCHEMA } from "./previous-release.ts";

const { kubeconfig } = inject("demo");
const CLI = join(import.meta.dirname, "../../src/cli/main.ts");
let config: PooledKubeConfig;
let client: KubernetesClient;
let desk: Desk;
let database: ForwardedPort;
let superuser: ConnectionSettings;
let product: string;
let previous: string;
const callers: Callers[] = [];
/** Namespaces that somebody else made and gave to a Tenant: they are given back. */
const HANDED_OVER = new Set(["acme", "globex", "umbrella"]);

interface Secret extends KubernetesObject {
  data: Record<string, string>;
}
const operators = { labelSelector: "app.kubernetes.io/name=agentpg-operator" };
const operatorPods = () => client.list<Pod & Conditioned>(kinds.POD, OPERATOR_NAMESPACE, operators);
const values = (image: string, more: object = {}) => ({
  ...helmValues({ kind: "simulated" }, image),
  replicaCount: 2,
  metricsClients: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } } }],
  ...more,
});

beforeAll(async () => {
  config = loadKubeConfig(kubeconfig);
  client = new KubernetesClient(config);
  desk = await openDesk(kubeconfig);
  product = (await operatorPods())[0]?.spec.containers[0]?.image ?? "";
  const built = await buildPreviousImage(silentProgress);
  const cluster = await ensureCluster({ name: "agentpg-test", progress: silentProgress });
  if (built) await cluster.loadImage(built.archive);
  else console.warn("no history in this checkout: the previous release's chart runs with this image");
  previous = built?.tag ?? product;
  const [pod] = await client.list<Pod>(kinds.POD, BACKEND_NAMESPACE, { labelSelector: "app=postgres" });
  database = await forwardPort(config, BACKEND_NAMESPACE, pod?.metadata.name ?? "", 5432);
  const { data } = await client.get<Secret>(kinds.SECRET, "postgres", BACKEND_NAMESPACE);
  const file = (name: string) => Buffer.from(data[name] ?? "", "base64").toString();
  superuser = {
    host: "localhost",
    port: database.port,
    database: "postgres",
    user: "postgres",
    password: file("superuser-password"),
    tls: { ca: file("ca.crt") },
  };
}, 600_000);
afterAll(async () => {
  for (const it of callers) await it.stop().catch(() => {});
  await database?.close();
  await config?.close();
  await desk?.clear();
});

const settled = (image: string) =>
  eventually(
    () => lasting.notYetSettled(client, image),
    (left) => left.length === 0,
    150,
    500,
  );
const told = new Set<string>();
/** Those that were not told of before, after so many more answers to each caller. */
async function failures(more = 20): Promise<string[]> {
  const seen = await Promise.all(callers.map((it) => it.more(more)));
  const fresh = seen.flatMap((it) => it.failures).filter((it) => !told.has(it));
  for (const it of fresh) told.add(it);
  return fresh;
}
const runsByState = async () => {
  const { schema } = (await client.get<Conditioned>(TENANT, lasting.NAME)).status as { schema: string };
  const sql = `SELECT state, count(*)::int FROM ${schema}.runs GROUP BY state`;
  const rows = await query<{ state: string; count: number }>({ ...superuser, database: "agentpg" }, sql);
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
};
/** How many times each Agent's pods were rolled out meanwhile. */
async function rolledDuring(work: () => Promise<unknown>): Promise<number[]> {
  const before = await lasting.rolloutsSoFar(client);
  await work();
  const after = await lasting.rolloutsSoFar(client);
  return Object.keys(before).map((name) => (after[name] ?? 0) - (before[name] ?? 0));
}

/** Whether the leading operator has looked at all Tenants and Agents, and has nothing more to do. */
async function lookedAtAll(): Promise<boolean> {
  for (const { metadata } of await operatorPods()) {
    const { port, close } = await forwardPort(config, OPERATOR_NAMESPACE, metadata.name, 9090);
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { connection: "close" } });
    const text = await answer.text();
    await close();
    const sum = (metric: RegExp) => [...text.matchAll(metric)].reduce((all, [, value]) => all + Number(value), 0);
    const reconciled = (controller: string) =>
      sum(new RegExp(`^controller_runtime_reconcile_total\\{controller="${controller}",.*\\} (\\d+)$`, "gm"));
    const rests = sum(/^workqueue_depth\{.*\} (\d+)$/gm) === 0;
    if (/^leader_election_master_status\{.*\} 1$/m.test(text) && rests)
      return reconciled("tenant") >= 2 && reconciled("agent") >= lasting.AGENT_NAMES.length;
  }
  return false;
}

/** Objects of the product, and what its operator made, but for namespaces that were handed over; by `Kind name`. */
async function remains(): Promise<string[]> {
  interface Lists {
    kind: string;
    items: KubernetesObject[];
  }
  const ours = ({ metadata: { labels = {} } }: KubernetesObject) =>
    labels["app.kubernetes.io/part-of"] === "agentpg" || labels["app.kubernetes.io/managed-by"] === "agentpg-operator";
  return [...(await allObjects(client)).values()].flatMap((text) => {
    const { kind, items } = JSON.parse(text) as Lists;
    return items
      .filter((it) => ours(it) && !HANDED_OVER.has(it.metadata.name))
      .map(({ metadata }) => `${kind.replace(/List$/, "")} ${metadata.name}`);
  });
}

describe("the chart's life", { retry: 0 }, () => {
  test("removed with all data, it leaves nothing in the cluster and nothing in Postgres", async () => {
    const { data } = await client.get<Secret>(kinds.SECRET, ADMIN_SECRET, OPERATOR_NAMESPACE);
    await desk.follow("Remove everything, the tenants' data too");
    await eventually(remains, (left) => left.length === 0, 60, 1000);
    const roles = "SELECT rolname FROM pg_roles WHERE rolname LIKE 't\\_%'";
    expect(await query(superuser, roles)).toEqual([]);
    await query(superuser, "DROP DATABASE agentpg", "DROP ROLE agentpg_operator");
    // A database for the next.
    const password = Buffer.from(data["password"] ?? "", "base64").toString();
    await query(superuser, `CREATE ROLE agentpg_operator LOGIN CREATEROLE PASSWORD '${password}'`);
    await query(superuser, "CREATE DATABASE agentpg OWNER agentpg_operator");
    await client.create(kinds.NAMESPACE, { metadata: { name: OPERATOR_NAMESPACE } });
    await client.create(kinds.SECRET, { metadata: { name: ADMIN_SECRET }, data }, OPERATOR_NAMESPACE);
  }, 180_000);

  test("the release before this one serves", async () => {
    await desk.writeValues(values(previous));
    await desk.shell(`helm install agentpg ${PREVIOUS_CHART} -n ${OPERATOR_NAMESPACE} -f values.yaml --wait`);
    await lasting.applyLastingTenant(client);
    await settled(previous);
    const token = await lasting.visitorToken(client);
    // The former release does not tell its callers how long a connection is good for.
    const as = { namespace: lasting.NAME, token, image: previous, keepIdleMs: 3000 };
    for (const agent of lasting.AGENT_NAMES) callers.push(await startCallers(client, { ...as, agent }));
    expect(await failures()).toEqual([]);
  }, 240_000);

  test("upgraded, it fails no request and no run, and rolls each Agent once", async () => {
    await desk.writeValues(values(product));
    const rolled = await rolledDuring(async () => {
      await desk.follow("Upgrade");
      await settled(product);
    });
    expect(Math.max(...rolled)).toBeLessThanOrEqual(1);
    expect(await failures()).toEqual([]);
    expect(Object.keys(await runsByState()).filter((it) => it === "failed" || it === "cancelled")).toEqual([]);
  }, 300_000);

  test("rolled back, it fails no request either, and says so where the schema is newer", async () => {
    const { schemaVersion } = (await client.get<Conditioned>(TENANT, lasting.NAME)).status as { schemaVersion: number };
    const rolled = await rolledDuring(async () => {
      await desk.follow("Roll back");
      if (previous === product || schemaVersion <= PREVIOUS_SCHEMA) return settled(previous);
      return eventually(
        () => client.get<Conditioned>(TENANT, lasting.NAME),
        (it) => conditionOf(it, "MigrationsCurrent")?.reason === "DatabaseNewerThanProgram",
        60,
      );
    });
    expect(Math.max(...rolled)).toBeLessThanOrEqual(1);
    expect(await failures()).toEqual([]);
    expect(Object.keys(await runsByState()).filter((it) => it === "failed" || it === "cancelled")).toEqual([]);
  }, 300_000);

  test("upgraded again, with a NetworkPolicy of its own: it works, is scraped, and nobody else gets to its ports", async () => {
    await desk.writeValues(values(product, { networkPolicy: { enabled: true } }));
    await desk.follow("Upgrade");
    await settled(product);
    expect(await failures()).toEqual([]);
    const [scraper, stranger] = await Promise.all(
      ["monitoring", "elsewhere"].map((namespace) => startBystander(client, namespace, product)),
    );
    const pods = await eventually(
      operatorPods,
      (all) => all.length === 2 && all.every((it) => !it.metadata.deletionTimestamp),
      60,
    );
    const targets = Object.fromEntries(
      pods.flatMap(({ status }, n) =>
        [8081, 9090, 9443].map((port) => [`${port}-${n}`, `${status?.podIP}:${port}`] as const),
      ),
    );
    const open = async (from: Pod | undefined) =>
      Object.entries(await reachedAtOnce(kubeconfig, from as Pod, targets))
        .filter(([, yes]) => yes)
        .map(([name]) => name)
        .toSorted();
    expect(await open(scraper)).toEqual(["9090-0", "9090-1"]);
    expect(await open(stranger)).toEqual([]);
    await client.apply(
      kinds.NAMESPACE,
      { metadata: { name: "late", labels: { "agentpg.dev/tenant": "late" } } },
      { fieldManager: "test" },
    );
    await client.apply(TENANT, aTenant("late"), { fieldManager: "test" });
    await eventually(
      () => client.get<Conditioned>(TENANT, "late"),
      (it) => conditionOf(it, "MigrationsCurrent")?.status === "True",
      60,
    );
    expect(await desk.shell(`${process.execPath} ${CLI} migrate`)).toContain("is complete: 2 current");
  }, 300_000);

  test("uninstalled, it leaves definitions, Tenants, data and agents, and they answer", async () => {
    const before = { objects: await lasting.versionsOfAll(client), resources: await lasting.customResources(client) };
    await desk.follow("Uninstall");
    expect(await operatorPods()).toEqual([]);
    expect(await failures()).toEqual([]);
    expect(await lasting.versionsOfAll(client)).toEqual(before.objects);
    expect(await lasting.customResources(client)).toEqual(before.resources);
  }, 180_000);

  test("installed again, it takes all up as it is, and writes nothing", async () => {
    const rows = "SELECT id, tenant_uid, state, active_login FROM agentpg_operator.tenant ORDER BY id";
    const state = async () => ({
      objects: await lasting.versionsOfAll(client),
      resources: await lasting.customResources(client),
      claims: await query({ ...superuser, database: "agentpg" }, rows),
    });
    const before = await state();
    await desk.follow("Pack the chart");
    await desk.follow("Install from the package");
    await eventually(lookedAtAll, Boolean, 60);
    await settled(product);
    expect(await failures()).toEqual([]);
    expect(await state()).toEqual(before);
  }, 180_000);
});
