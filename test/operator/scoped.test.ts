// Two operators in one cluster on one database, each for the Tenants of its own selector.
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import type { RunningOperator } from "../../src/operator/main.ts";
import { anAgent, aTenant } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { type OperatorHarness, startHarness } from "../support/operator-harness.ts";

let it: OperatorHarness;
let looker: Client;
const running: RunningOperator[] = [];

const start = async (instance: string, tenantSelector: string): Promise<RunningOperator> => {
  const operator = await it.startOperator({ instance, tenantSelector, tenantClusterRole: `${instance}-tenant` });
  running.push(operator);
  await eventually(operator.leading, Boolean);
  return operator;
};

beforeAll(async () => {
  it = await startHarness();
  looker = new Client(clientOptions(it.postgres.adminSettings(it.admin.database), "test"));
  await looker.connect();
  await start("red", "team=red");
  await start("blue", "team=blue");
  for (const team of ["red", "blue"]) {
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
const operatorOf = async (tenant: string) => (await it.tenant(tenant)).status?.["operator"];
const deployment = (namespace: string) =>
  it.client.get<{ metadata: { uid: string }; spec: { replicas: number } }>(
    kinds.DEPLOYMENT,
    "agent-support",
    namespace,
  );

test("both lead, and each serves its own Tenants and their Agents", async () => {
  for (const team of ["red", "blue"]) {
    await it.condition("Tenant", team, "Ready", "True");
    await eventually(
      () => deployment(team),
      () => true,
    );
    expect(await operatorOf(team)).toBe(`agentpg-system/${team}`);
    expect(await row(team)).toMatchObject({ state: "active", operator: team });
  }
  expect(running.map((operator) => operator.leading())).toEqual([true, true]);
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
  await start("red", "team=red");
  await eventually(
    () => row("lost-red"),
    ({ state }) => state === "retained",
  );
});

/** Queries as an agent's pod would, without a pause, until told to stop; the failures. */
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

test("a Tenant whose label moves is handed over: same schema, same login, same pods, no query fails", async () => {
  const before = { row: await row("red"), deployment: await deployment("red"), login: await login("red") };
  const load = serving(before.login);
  await it.client.mergePatch(TENANT, "red", undefined, { metadata: { labels: { team: "blue" } } });
  await eventually(
    () => operatorOf("red"),
    (now) => now === "agentpg-system/blue",
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
  expect(binding["roleRef"]).toMatchObject({ name: "blue-tenant" }); // the former operator has no rights there any more
});

test("of two whose selectors both pick a Tenant, the one that has it keeps it, and an Event says what to do", async () => {
  await running.at(-1)?.stop(); // red
  await start("red", "team");
  const said = await eventually(
    () => it.client.list<{ reason: string; message: string; involvedObject: { name: string } }>(kinds.EVENT, "default"),
    (events) => events.some(({ reason }) => reason === "HeldByOtherOperator"),
  );
  const message = said.find(({ reason }) => reason === "HeldByOtherOperator")?.message;
  expect(message).toContain('operator agentpg-system/blue, with tenantSelector "team=blue", has this Tenant');
  expect(message).toContain("make the two disjoint");
  expect(await row("red")).toMatchObject({ operator: "blue" });
  expect((await it.tenant("red")).status).toMatchObject({ operator: "agentpg-system/blue" });
});

test("one whose operator is gone is taken by an annotation that names it; deleted, it leaves nothing", async () => {
  await running[1]?.stop(); // blue
  const annotations = { "agentpg.dev/take-over-from": "agentpg-system/blue" };
  await it.client.mergePatch(TENANT, "red", undefined, {
    metadata: { annotations },
    spec: { deletionPolicy: "Delete" },
  });
  await eventually(
    () => operatorOf("red"),
    (now) => now === "agentpg-system/red",
  );
  expect(await operatorOf("blue")).toBe("agentpg-system/blue");
  await it.client.delete(TENANT, "red");
  await eventually(
    () => row("red"),
    (found) => found === undefined,
  );
});
