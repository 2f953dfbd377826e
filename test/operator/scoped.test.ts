// Two releases of the chart in one cluster on one database, each for the Tenants of its own selector, and each with its own rights.
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";
import { ApiError } from "../../src/kubernetes/errors.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { ensureTools } from "../../src/local-cluster/index.ts";
import { run } from "../../src/local-cluster/run.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import type { RunningOperator } from "../../src/operator/main.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { anAgent, aTenant } from "../support/builders.ts";
import { AuditLog, isWrite } from "../support/convergence/audit-log.ts";
import { connect } from "../support/custom-resources.ts";
import { eventually } from "../support/eventually.ts";
import { type OperatorHarness, startHarness } from "../support/operator-harness.ts";
import { serviceAccountKubeconfig } from "../support/service-account.ts";

const TEAMS = ["red", "blue"];
const account = (team: string) => `system:serviceaccount:agentpg-${team}:agentpg`;
const another = (team: string) => (team === "red" ? "blue" : "red");
let it: OperatorHarness;
let audit: AuditLog;
let looker: Client;
const running: RunningOperator[] = [];

/** Both releases have the same name: only their namespaces and instances tell them apart. */
async function install(team: string): Promise<void> {
  const { helm } = await ensureTools(["helm"], silentProgress);
  const values = {
    instance: team,
    tenantSelector: `team=${team}`,
    database: { host: it.admin.host, port: it.admin.port, credentialsSecret: "admin" },
    admissionPolicies: { otherOperators: [account(another(team))] },
    networkProbe: { enabled: false },
  };
  const chart = join(import.meta.dirname, "../../charts/agentpg");
  const where = ["--namespace", `agentpg-${team}`, "--create-namespace", "--kubeconfig", it.kubeconfig];
  await run(helm, ["install", "agentpg", chart, ...where, "--values", "-"], { input: JSON.stringify(values) });
}

const tokenOf = (team: string) => serviceAccountKubeconfig(it.client, it.kubeconfig, `agentpg-${team}`, "agentpg");

/** The operator of a release, as its pod would run it: with the release's configuration and token. */
const start = async (team: string, tenantSelector = `team=${team}`): Promise<RunningOperator> => {
  const { data } = await it.client.get<{ data: Record<string, string> }>(
    kinds.CONFIG_MAP,
    "agentpg",
    `agentpg-${team}`,
  );
  const config = JSON.parse(data["operator.json"] ?? "{}") as Record<string, string>;
  const { namespace, instance, serviceAccount, tenantClusterRole } = config;
  const own = { namespace, instance, serviceAccount, tenantClusterRole, tenantSelector };
  const operator = await it.startOperator(own, await tokenOf(team));
  running.push(operator);
  await eventually(operator.leading, Boolean);
  return operator;
};

beforeAll(async () => {
  it = await startHarness({ auditLog: true });
  audit = new AuditLog(it.plane.auditLog ?? "");
  for (const team of TEAMS) await install(team);
  looker = new Client(clientOptions(it.postgres.adminSettings(it.admin.database), "test"));
  await looker.connect();
  for (const team of TEAMS) await start(team);
  for (const team of TEAMS) {
    await it.prepareTenantNamespace(team, team);
    await it.apply(TENANT, aTenant(team, {}, { labels: { team } }));
    await it.apply(AGENT, anAgent(team, "support"));
  }
}, 1_800_000);
afterAll(async () => {
  await Promise.all(running.map((operator) => operator.stop()));
  await looker?.end();
  await it?.stop();
});

const row = async (tenant: string) => {
  const { rows } = await looker.query(
    "SELECT id, state, split_part(cluster_uid, '/', 3) AS operator FROM agentpg_operator.tenant WHERE tenant_name = $1",
    [tenant],
  );
  return rows[0] as { id: string; state: string; operator: string };
};
/** Whether the operator of `team` may read the login of a Tenant. */
async function readsSecretsOf(tenant: string, team: string): Promise<boolean> {
  const { client, close } = connect(await tokenOf(team));
  try {
    await client.get(kinds.SECRET, "agentpg-database", tenant);
    return true;
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === "Forbidden")) throw error;
    return false;
  } finally {
    await close();
  }
}
const operatorOf = async (tenant: string) => (await it.tenant(tenant)).status?.["operator"];
const deployment = (namespace: string) =>
  it.client.get<{ metadata: { uid: string }; spec: { replicas: number } }>(
    kinds.DEPLOYMENT,
    "agent-support",
    namespace,
  );

test("both lead, and each serves its own Tenants and their Agents", async () => {
  for (const team of TEAMS) {
    await it.condition("Tenant", team, "Ready", "True");
    await eventually(
      () => deployment(team),
      () => true,
    );
    expect(await operatorOf(team)).toBe(`agentpg-${team}/${team}`);
    expect(await row(team)).toMatchObject({ state: "active", operator: team });
  }
  expect(running.map((operator) => operator.leading())).toEqual([true, true]);
});

test("neither touches what is the other's, nor may read its Secrets", async () => {
  const requests = await audit.news();
  for (const team of TEAMS) {
    expect(await readsSecretsOf(team, team)).toBe(true);
    expect(await readsSecretsOf(another(team), team)).toBe(false);
    const written = requests.filter((request) => request.username === account(team) && isWrite(request));
    expect(written.length).toBeGreaterThan(10);
    expect(written.filter(({ key }) => key === another(team) || key.startsWith(`${another(team)}/`))).toEqual([]);
  }
});

test("an orphaned claim is closed by its own operator only", async () => {
  const orphan = (name: string, owner: string, id: string) =>
    looker.query(
      `INSERT INTO agentpg_operator.tenant (id, tenant_name, tenant_uid, cluster_uid, namespace, epoch)
       SELECT $3, $1, $1, cluster_uid, $1, 1 FROM agentpg_operator.tenant WHERE tenant_name = $2`,
      [name, owner, id],
    );
  await running[0]?.stop();
  await orphan("lost-red", "red", "t_00000000000a");
  await orphan("lost-blue", "blue", "t_00000000000b");
  await eventually(
    () => row("lost-blue"),
    ({ state }) => state === "retained",
  );
  expect((await row("lost-red")).state).toBe("active");
  await start("red");
  await eventually(
    () => row("lost-red"),
    ({ state }) => state === "retained",
  );
});

/** Queries as an agent's pod would, without a pause, until told to stop and a hundred times at least; the failures. */
function serving(login: ConnectionSettings): { stop(): Promise<{ queries: number; failures: unknown[] }> } {
  const stopped = new AbortController();
  let queries = 0;
  const failures: unknown[] = [];
  const work = (async () => {
    const client = new Client(clientOptions(login, "test"));
    client.on("error", (error) => failures.push(error));
    await client.connect();
    while (!stopped.signal.aborted) {
      await client.query("SELECT count(*) FROM sessions").catch((error: unknown) => failures.push(error));
      queries++;
    }
    await client.end();
  })();
  return {
    async stop() {
      await eventually(
        () => queries,
        (count) => count > 100,
      );
      stopped.abort();
      await work.catch((error: unknown) => failures.push(error));
      return { queries, failures };
    },
  };
}

async function login(namespace: string): Promise<ConnectionSettings> {
  const { data } = await it.client.get<{ data: Record<string, string> }>(kinds.SECRET, "agentpg-database", namespace);
  const file = (name: string) => Buffer.from(data[name] ?? "", "base64").toString();
  return {
    host: file("host"),
    port: Number(file("port")),
    database: file("dbname"),
    user: file("username"),
    password: file("password"),
    tls: { ca: file("ca.crt") },
  };
}

const ofLeaver = { labelSelector: "agentpg.dev/agent=leaver" };
const listOfLeaver = (kind: kinds.ResourceKind) => it.client.list<KubernetesObject>(kind, "red", ofLeaver);

/** An Agent that is deleted while its pods are at work; the function lets them end. */
async function busyLeaver(): Promise<() => Promise<unknown>> {
  await it.apply(AGENT, anAgent("red", "leaver"));
  const pods = await eventually(
    () => listOfLeaver(kinds.POD),
    (all) => all.length > 0,
  );
  const setFinalizers = (finalizers: string[]) =>
    Promise.all(
      pods.map(({ metadata }) => it.client.mergePatch(kinds.POD, metadata.name, "red", { metadata: { finalizers } })),
    );
  await setFinalizers(["example.com/busy"]);
  await it.client.delete(AGENT, "leaver", "red");
  await eventually(
    () => listOfLeaver(kinds.DEPLOYMENT),
    (all) => all.length === 0,
    60,
  );
  return () => setFinalizers([]);
}

test("a Tenant whose label moves is handed over: same schema, same login, same pods, no query fails", async () => {
  const letLeave = await busyLeaver();
  const before = { row: await row("red"), deployment: await deployment("red"), login: await login("red") };
  const load = serving(before.login);
  await it.client.mergePatch(TENANT, "red", undefined, { metadata: { labels: { team: "blue" } } });
  await eventually(
    () => operatorOf("red"),
    (now) => now === "agentpg-blue/blue",
  );
  await it.condition("Tenant", "red", "Ready", "True");
  await it.client.mergePatch(AGENT, "support", "red", { spec: { replicas: 2 } });
  const after = await eventually(
    () => deployment("red"),
    ({ spec }) => spec.replicas === 2,
  );
  const { queries, failures } = await load.stop();
  expect(failures).toEqual([]);
  expect(queries).toBeGreaterThan(100);
  expect(after.metadata.uid).toBe(before.deployment.metadata.uid);
  expect(await row("red")).toEqual({ ...before.row, operator: "blue" });
  expect(await login("red")).toEqual(before.login);
  const binding = await it.client.get(kinds.ROLE_BINDING, "agentpg-operator", "red");
  expect(binding["roleRef"]).toMatchObject({ name: "agentpg-blue-tenant" });
  expect(await readsSecretsOf("red", "red")).toBe(false); // the former operator has no rights there any more
  expect(await readsSecretsOf("red", "blue")).toBe(true);
  // What a deleted Agent's pods still need is looked after by the new one.
  expect(await listOfLeaver(kinds.NETWORK_POLICY)).toHaveLength(1);
  await letLeave();
  await eventually(
    () => listOfLeaver(kinds.NETWORK_POLICY),
    (all) => all.length === 0,
  );
});

test("of two whose selectors both pick a Tenant, the one that has it keeps it, and an Event says what to do", async () => {
  await running.at(-1)?.stop(); // red
  await start("red", "team");
  const said = await eventually(
    () => it.client.list<{ reason: string; message: string; involvedObject: { name: string } }>(kinds.EVENT, "default"),
    (events) => events.some(({ reason }) => reason === "HeldByOtherOperator"),
  );
  const message = said.find(({ reason }) => reason === "HeldByOtherOperator")?.message;
  expect(message).toContain('operator agentpg-blue/blue, with tenantSelector "team=blue", has this Tenant');
  expect(message).toContain("make the two disjoint");
  expect(await row("red")).toMatchObject({ operator: "blue" });
  expect((await it.tenant("red")).status).toMatchObject({ operator: "agentpg-blue/blue" });
});

test("one whose operator is gone is taken by an annotation that names it; deleted, it leaves nothing", async () => {
  await running[1]?.stop(); // blue
  const annotations = { "agentpg.dev/take-over-from": "agentpg-blue/blue" };
  await it.client.mergePatch(TENANT, "red", undefined, {
    metadata: { annotations },
    spec: { deletionPolicy: "Delete" },
  });
  await eventually(
    () => operatorOf("red"),
    (now) => now === "agentpg-red/red",
  );
  expect(await operatorOf("blue")).toBe("agentpg-blue/blue");
  await it.client.delete(TENANT, "red");
  await eventually(
    () => row("red"),
    (found) => found === undefined,
  );
});
