// The chart's life on a real cluster, by the commands of the documentation, with requests going on all the time: removed, the release
// before this one installed, upgraded, rolled back, upgraded again, uninstalled, installed again.
// It takes the demo's release away, so it is this suite's last file (vitest.config.ts). It takes minutes, because pods come and go: an
// Agent's pod is rolled out three times, and each that goes serves for five seconds more.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { query } from "../../src/cli/demo/database-window.ts";
import { helmValues } from "../../src/cli/demo/helm-values.ts";
import { ADMIN_SECRET } from "../../src/cli/demo/manifests.ts";
import { OPERATOR_NAMESPACE } from "../../src/cli/demo/paths.ts";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import { KubernetesClient } from "../../src/kubernetes/client.ts";
import { loadKubeConfig, type PooledKubeConfig } from "../../src/kubernetes/kube-config.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { ensureCluster } from "../../src/local-cluster/index.ts";
import { TENANT } from "../../src/operator/caches.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { eventually } from "../support/eventually.ts";
import { conditionOf, type Conditioned } from "../support/operator-harness.ts";
import { type Pod, reachedAtOnce, startBystander } from "./bystanders.ts";
import { type Callers, startCallers } from "./callers.ts";
import { type Desk, openDesk } from "./documented-commands.ts";
import * as lasting from "./lasting-tenant.ts";
import { lookedAt, operatorPods } from "./operators.ts";
import { buildPreviousImage, PREVIOUS_CHART, PREVIOUS_SCHEMA } from "./previous-release.ts";
import { removeEverything } from "./remains.ts";
import { openAsSuperuser } from "./superuser.ts";

const UPGRADE = "docs/upgrade.md";
const OPERATIONS = "docs/operations.md";
const CONSOLE = "docs/console.md";
const AIR_GAPPED = "docs/how-to/air-gapped.md";
const CLI = join(import.meta.dirname, "../../src/cli/main.ts");

const { kubeconfig } = inject("demo");
let config: PooledKubeConfig;
let client: KubernetesClient;
let desk: Desk;
let database: Awaited<ReturnType<typeof openAsSuperuser>>;
let superuser: ConnectionSettings;
let product: string;
/** Comes while the demo's release goes. */
let previously: Promise<string>;
const callers: Callers[] = [];

interface Secret extends KubernetesObject {
  data: Record<string, string>;
}

const values = (image: string, more: object = {}) => ({
  ...helmValues({ kind: "simulated" }, image),
  replicaCount: 2,
  metricsClients: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } } }],
  ...more,
});

/** The image of the release before this one, on the node; this one's where the checkout has no history. */
async function loadPreviousImage(): Promise<string> {
  const built = await buildPreviousImage(silentProgress);
  if (!built) {
    console.warn("no history in this checkout: the previous release's chart runs with this image");
    return product;
  }
  await (await ensureCluster({ name: "agentpg-test", progress: silentProgress })).loadImage(built.archive);
  return built.tag;
}

beforeAll(async () => {
  config = loadKubeConfig(kubeconfig);
  client = new KubernetesClient(config);
  desk = await openDesk(kubeconfig);
  product = (await operatorPods(client))[0]?.spec.containers[0]?.image ?? "";
  previously = loadPreviousImage();
  previously.catch(() => {}); // whoever needs it says so
  database = await openAsSuperuser(client, config);
  superuser = database.settings;
});
afterAll(async () => {
  for (const it of callers) await it.stop().catch(() => {});
  await database?.close();
  await config?.close();
  await desk?.clear();
});

const none = (left: string[]) => left.length === 0;
const settled = (image: string) => eventually(() => lasting.notYetSettled(client, image), none, 150, 500);
const tenant = () =>
  client.get<Conditioned & { status: { schema: string; schemaVersion: number } }>(TENANT, lasting.NAME);

const told = new Set<string>();
/** Failed requests that were not told of before, after twenty more answers to the callers of each Agent. */
async function failures(): Promise<string[]> {
  const seen = await Promise.all(callers.map((it) => it.more(20)));
  const fresh = seen.flatMap((it) => it.failures).filter((it) => !told.has(it));
  for (const it of fresh) told.add(it);
  return fresh;
}
/** Runs that came to a bad end, whoever had asked for them. */
const lostRuns = async () => {
  const sql = `SELECT id, state, error FROM ${(await tenant()).status.schema}.runs WHERE state IN ('failed', 'cancelled')`;
  return query({ ...superuser, database: "agentpg" }, sql);
};
/** How many times each Agent's pods were rolled out meanwhile. */
async function rolledDuring(work: () => Promise<unknown>): Promise<number[]> {
  const before = await lasting.rolloutsSoFar(client);
  await work();
  const after = await lasting.rolloutsSoFar(client);
  return Object.keys(before).map((name) => (after[name] ?? 0) - (before[name] ?? 0));
}

describe("the chart's life", { retry: 0 }, () => {
  test("removed with all data, it leaves nothing in the cluster and nothing in Postgres", async () => {
    const { data } = await client.get<Secret>(kinds.SECRET, ADMIN_SECRET, OPERATOR_NAMESPACE);
    await removeEverything(desk, client);
    expect(await query(superuser, "SELECT rolname FROM pg_roles WHERE rolname LIKE 't\\_%'")).toEqual([]);
    await query(superuser, "DROP DATABASE agentpg", "DROP ROLE agentpg_operator");
    // A database for the next.
    const password = Buffer.from(data["password"] ?? "", "base64").toString();
    await query(superuser, `CREATE ROLE agentpg_operator LOGIN CREATEROLE PASSWORD '${password}'`);
    await query(superuser, "CREATE DATABASE agentpg OWNER agentpg_operator");
    await client.create(kinds.NAMESPACE, { metadata: { name: OPERATOR_NAMESPACE } });
    await client.create(kinds.SECRET, { metadata: { name: ADMIN_SECRET }, data }, OPERATOR_NAMESPACE);
  }, 180_000);

  test("the release before this one serves", async () => {
    const image = await previously;
    await desk.writeValues(values(image));
    await desk.shell(`helm install agentpg ${PREVIOUS_CHART} -n ${OPERATOR_NAMESPACE} -f values.yaml --wait`);
    await lasting.applyLastingTenant(client);
    await settled(image);
    const token = await lasting.visitorToken(client);
    // The former release does not tell its callers how long a connection is good for.
    const as = { namespace: lasting.NAME, token, image, keepIdleMs: 3000 };
    for (const agent of lasting.AGENT_NAMES) callers.push(await startCallers(client, { ...as, agent }));
    expect(await failures()).toEqual([]);
  }, 600_000); // of which the image may take some, where it was never built before

  test("upgraded, it fails no request and no run, and rolls each Agent once", async () => {
    await desk.writeValues(values(product));
    const rolled = await rolledDuring(async () => {
      await desk.follow(UPGRADE, "Upgrade");
      await settled(product);
    });
    expect(Math.max(...rolled)).toBeLessThanOrEqual(1);
    expect(await failures()).toEqual([]);
    expect(await lostRuns()).toEqual([]);
  }, 300_000);

  test("rolled back, it fails no request either, and says so where the schema is newer", async () => {
    const image = await previously;
    const newer = image !== product && (await tenant()).status.schemaVersion > PREVIOUS_SCHEMA;
    const rolled = await rolledDuring(async () => {
      await desk.follow(UPGRADE, "Roll back");
      await eventually(() => lasting.notYetRolledOut(client, image), none, 150, 500);
      if (!newer) await settled(image);
    });
    if (newer)
      await eventually(tenant, (it) => conditionOf(it, "MigrationsCurrent")?.reason === "DatabaseNewerThanProgram", 60);
    expect(Math.max(...rolled)).toBeLessThanOrEqual(1);
    expect(await failures()).toEqual([]);
    expect(await lostRuns()).toEqual([]);
  }, 300_000);

  test("upgraded again, with a NetworkPolicy and the console: it works, is scraped, and nobody else gets to its ports", async () => {
    await desk.writeValues(values(product, { networkPolicy: { enabled: true } }));
    await desk.shell(`helm upgrade agentpg charts/agentpg -n ${OPERATOR_NAMESPACE} -f values.yaml`);
    const bystanders = Promise.all(["monitoring", "elsewhere"].map((it) => startBystander(client, it, product)));
    bystanders.catch(() => {}); // said where they are needed
    await desk.follow(CONSOLE, "Open the console");
    await settled(product);
    expect(await failures()).toEqual([]);
    expect(await lostRuns()).toEqual([]);
    expect(await desk.shell(`${process.execPath} ${CLI} migrate`)).toContain("is complete: 1 current");
    const pods = await eventually(
      () => operatorPods(client),
      (all) => all.length === 2 && all.every((it) => !it.metadata.deletionTimestamp),
      60,
    );
    const targets = Object.fromEntries(
      pods.flatMap(({ status }, n) =>
        [8081, 9090].map((port) => [`${port}-${n}`, `${status?.podIP}:${port}`] as const),
      ),
    );
    const open = async (from: Pod | undefined) =>
      Object.entries(await reachedAtOnce(kubeconfig, from as Pod, targets))
        .filter(([, yes]) => yes)
        .map(([name]) => name)
        .toSorted();
    const [scraper, stranger] = await bystanders;
    expect(await Promise.all([open(scraper), open(stranger)])).toEqual([["9090-0", "9090-1"], []]);
    await desk.shell(`kubectl -n ${OPERATOR_NAMESPACE} rollout status deployment/agentpg --timeout=60s`);
    const look = "curl -sS --retry 10 --retry-delay 1 --retry-connrefused http://localhost:8443/";
    expect(await desk.followMeanwhile(CONSOLE, "Reach it from here", look)).toContain("<title>");
  }, 300_000);

  test("uninstalled, it leaves definitions, Tenants, data and agents, and they answer", async () => {
    await eventually(() => lasting.endingPods(client), none, 60);
    const before = { objects: await lasting.versionsOfAll(client), resources: await lasting.customResources(client) };
    await desk.follow(OPERATIONS, "Uninstall");
    await eventually(
      () => operatorPods(client),
      (left) => left.length === 0,
      60,
    );
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
    await desk.follow(AIR_GAPPED, "Pack the chart");
    await desk.follow(AIR_GAPPED, "Install from the package");
    const all = { tenants: 1, agents: lasting.AGENT_NAMES.length };
    await eventually(() => lookedAt({ client, config }, all), Boolean, 60);
    await settled(product);
    expect(await failures()).toEqual([]);
    expect(await state()).toEqual(before);
  }, 180_000);
});
