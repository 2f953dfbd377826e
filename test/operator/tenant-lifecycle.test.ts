import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createPool } from "../../src/database/connection.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import type { ResourceKind } from "../../src/kubernetes/resource-kind.ts";
import { endLeftPolicy } from "../../src/operator/agent/left-policy.ts";
import { AGENT, Caches, TENANT } from "../../src/operator/caches.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { anAgent, aTenant, aTool } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { conditionOf, startHarness, type OperatorHarness } from "../support/operator-harness.ts";
import { startOperatorProcess } from "../support/operator-process.ts";

let it: OperatorHarness;

beforeAll(async () => {
  it = await startHarness();
  await it.startOperator();
}, 1_800_000);
afterAll(async () => it?.stop());

const decoded = (secret: { data?: Record<string, string> }, key: string) =>
  Buffer.from(secret.data?.[key] ?? "", "base64").toString();
const databaseSecret = (namespace: string) =>
  it.client.get<{ data: Record<string, string> }>(kinds.SECRET, "agentpg-database", namespace);

/** One query with the login that the tenant's pods have. */
async function asTenant<T extends object>(namespace: string, sql: string): Promise<T[]> {
  const secret = await databaseSecret(namespace);
  const login = { ...it.admin, user: decoded(secret, "username"), password: decoded(secret, "password") };
  const pool = createPool(login, "test", () => {}, { max: 1, min: 0, idleMs: 1000, lifetimeSeconds: 60 });
  try {
    return (await pool.query<T>(sql)).rows;
  } finally {
    await pool.end();
  }
}

async function readyTenant(name: string, spec: object = {}): Promise<void> {
  await it.prepareTenantNamespace(name, name);
  await it.apply(TENANT, aTenant(name, spec as never));
  await it.condition("Tenant", name, "Ready", "True");
}

describe("a Tenant becomes a boundary", () => {
  beforeAll(async () => readyTenant("acme"));

  test("its namespace admits only restricted pods", async () => {
    const namespace = await it.client.get(kinds.NAMESPACE, "acme");
    expect(namespace.metadata.labels).toMatchObject({
      "pod-security.kubernetes.io/enforce": "restricted",
      "agentpg.dev/tenant": "acme",
    });
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "root" },
      spec: { containers: [{ name: "c", image: "x", securityContext: { privileged: true } }] },
    };
    await expect(it.client.create(kinds.POD, pod, "acme")).rejects.toThrow(/violates PodSecurity "restricted/);
  });

  test("quota, limits and network policies are there", async () => {
    const quota = await it.client.get<{ spec: object }>(kinds.RESOURCE_QUOTA, "agentpg-tenant", "acme");
    expect(quota.spec).toMatchObject({ hard: { pods: "50", "requests.cpu": "8", "limits.memory": "16Gi" } });
    const deny = await it.client.get<{ spec: object }>(kinds.NETWORK_POLICY, "agentpg-default-deny", "acme");
    expect(deny.spec).toMatchObject({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
  });

  test("its login reads and writes its own schema, and owns nothing", async () => {
    const [row] = await asTenant<{ schema: string; sessions: string }>(
      "acme",
      "select current_schema() as schema, (select count(*) from sessions) as sessions",
    );
    expect(row?.schema).toBe((await it.tenant("acme")).status?.["schema"]);
    await expect(asTenant("acme", "create table mine (id int)")).rejects.toThrow(/permission denied/);
  });

  test("the Secret's password never changes while nothing calls for it, and appears in no log", async () => {
    const before = await databaseSecret("acme");
    await it.stopOperator();
    await it.startOperator();
    await eventually(
      async () => it.log.join("").length,
      (n) => n > 0,
    );
    await it.condition("Tenant", "acme", "Ready", "True");
    const after = await databaseSecret("acme");
    expect(after.data).toEqual(before.data);
    expect(it.log.join("\n")).not.toContain(decoded(after, "password"));
    expect(it.log.join("\n")).not.toContain("sk-ant-test-planted");
    expect(JSON.stringify(await it.tenant("acme"))).not.toContain(decoded(after, "password"));
  });

  test("what is changed by hand is set right, with an Event", async () => {
    await it.client.mergePatch(kinds.NETWORK_POLICY, "agentpg-default-deny", "acme", {
      spec: { policyTypes: ["Ingress"] },
    });
    await eventually(
      () => it.client.get<{ spec: { policyTypes: string[] } }>(kinds.NETWORK_POLICY, "agentpg-default-deny", "acme"),
      ({ spec }) => spec.policyTypes.includes("Egress"),
    );
    await eventually(
      () => it.client.list<{ reason: string; involvedObject: { name: string } }>(kinds.EVENT, "default"),
      (events) =>
        events.some(({ reason, involvedObject }) => reason === "DriftRepaired" && involvedObject.name === "acme"),
    );
  });

  test("a rule that is added to the default-deny policy is taken out", async () => {
    await it.client.mergePatch(kinds.NETWORK_POLICY, "agentpg-default-deny", "acme", { spec: { egress: [{}] } });
    await eventually(
      () => it.client.get<{ spec: { egress?: object[] } }>(kinds.NETWORK_POLICY, "agentpg-default-deny", "acme"),
      ({ spec }) => (spec.egress ?? []).length === 0,
    );
  });

  test("a deleted policy, a deleted Secret and a loosened namespace come back", async () => {
    await it.client.delete(kinds.NETWORK_POLICY, "agentpg-default-deny", "acme");
    await it.client.delete(kinds.SECRET, "agentpg-database", "acme");
    await it.client.mergePatch(kinds.NAMESPACE, "acme", undefined, {
      metadata: { labels: { "pod-security.kubernetes.io/enforce": "privileged" } },
    });
    await eventually(
      () => it.client.get(kinds.NETWORK_POLICY, "agentpg-default-deny", "acme"),
      () => true,
    );
    await eventually(
      () => databaseSecret("acme"),
      (secret) => decoded(secret, "password") !== "",
    );
    await eventually(
      () => it.client.get(kinds.NAMESPACE, "acme"),
      ({ metadata }) => metadata.labels?.["pod-security.kubernetes.io/enforce"] === "restricted",
    );
    await asTenant("acme", "select 1");
  });

  test("in steady state nothing is written", async () => {
    await it.condition("Tenant", "acme", "Ready", "True");
    await it.stopOperator();
    const operator = await it.startOperator({ leaderElection: false });
    await eventually(
      () => operator.metrics.getSingleMetricAsString("controller_runtime_reconcile_total"),
      (text) => /controller="tenant",result="requeue_after"} [3-9]/.test(text),
      60,
    );
    const { GET: _reads, ...writes } = operator.client.sent;
    expect(writes).toEqual({});
    await it.stopOperator();
    await it.startOperator();
  });
});

describe("one tenant and another", () => {
  beforeAll(async () => {
    await readyTenant("left");
    await readyTenant("right");
  });

  test("one's login cannot read the other's rows", async () => {
    const schema = (await it.tenant("left")).status?.["schema"];
    await expect(asTenant("right", `select * from ${schema}.messages`)).rejects.toThrow(/permission denied/);
  });

  test("two Tenants that want one namespace: the second waits with a condition, and takes it when the first is gone", async () => {
    await it.prepareTenantNamespace("shared", "first");
    await it.apply(TENANT, aTenant("first", { namespace: "shared" }));
    await it.condition("Tenant", "first", "Ready", "True");
    await it.apply(TENANT, aTenant("second", { namespace: "shared" }));
    const taken = await it.condition("Tenant", "second", "NamespaceReady", "False", "NamespaceTaken");
    expect(taken.message).toContain("Tenant first has namespace shared");
    await it.client.delete(TENANT, "first");
    await it.condition("Tenant", "second", "NamespaceReady", "False", "NamespaceNotOurs", 40);
    await it.client.mergePatch(kinds.NAMESPACE, "shared", undefined, {
      metadata: { labels: { "agentpg.dev/tenant": "second" } },
    });
    await it.condition("Tenant", "second", "Ready", "True", undefined, 40);
  });

  test("a namespace that exists already is not taken without its maker's word", async () => {
    await it.apply(kinds.NAMESPACE, { metadata: { name: "foreign" } });
    await it.apply(TENANT, aTenant("foreign"));
    const refused = await it.condition("Tenant", "foreign", "Ready", "False", "NamespaceNotOurs");
    expect(refused.message).toContain("kubectl label namespace foreign agentpg.dev/tenant=foreign");
    expect((await it.client.get(kinds.NAMESPACE, "foreign")).metadata.labels).not.toHaveProperty(
      "pod-security.kubernetes.io/enforce",
    );
    await it.client.mergePatch(kinds.NAMESPACE, "foreign", undefined, {
      metadata: { labels: { "agentpg.dev/tenant": "foreign" } },
    });
    await it.apply(kinds.SECRET, {
      metadata: { name: "anthropic", namespace: "foreign" },
      stringData: { "api-key": "k" },
    });
    await it.condition("Tenant", "foreign", "Ready", "True");
  });
});

describe("what goes wrong is said, and mends itself", () => {
  afterEach(() => it.setCredentials({}));

  test("a missing API key Secret, then an empty one, then a good one", async () => {
    await it.apply(kinds.NAMESPACE, { metadata: { name: "keyless", labels: { "agentpg.dev/tenant": "keyless" } } });
    await it.apply(TENANT, aTenant("keyless"));
    const missing = await it.condition("Tenant", "keyless", "CredentialsReady", "False", "ApiKeySecretMissing");
    expect(missing.message).toContain("kubectl -n keyless create secret generic anthropic");
    await it.apply(kinds.SECRET, { metadata: { name: "anthropic", namespace: "keyless" }, stringData: { other: "x" } });
    await it.condition("Tenant", "keyless", "CredentialsReady", "False", "ApiKeyMissing");
    await it.apply(kinds.SECRET, {
      metadata: { name: "anthropic", namespace: "keyless" },
      stringData: { "api-key": " " },
    });
    await it.condition("Tenant", "keyless", "CredentialsReady", "False", "ApiKeyEmpty");
    await it.apply(kinds.SECRET, {
      metadata: { name: "anthropic", namespace: "keyless" },
      stringData: { "api-key": "k" },
    });
    await it.condition("Tenant", "keyless", "Ready", "True");
  });

  test("an operator password that is refused, then mended", async () => {
    await it.setCredentials({ password: "wrong" });
    await it.prepareTenantNamespace("locked", "locked");
    await it.apply(TENANT, aTenant("locked"));
    const refused = await it.condition("Tenant", "locked", "DatabaseReady", "False", "DatabaseAuthenticationFailed");
    expect(refused.message).not.toContain("wrong");
    await it.setCredentials({});
    await it.condition("Tenant", "locked", "Ready", "True");
  });

  test("an empty operator password is named, and never used", async () => {
    await it.setCredentials({ password: "" });
    await it.prepareTenantNamespace("unset", "unset");
    await it.apply(TENANT, aTenant("unset"));
    await it.condition("Tenant", "unset", "DatabaseReady", "False", "DatabaseCredentialsMissing");
    await it.setCredentials({});
    await it.condition("Tenant", "unset", "Ready", "True");
  });

  test("a database that cannot be reached, then can: Tenants recover, and a deletion waits", async () => {
    await readyTenant("leaving", { deletionPolicy: "Delete" });
    await it.postgres.halt();
    await it.prepareTenantNamespace("stranded", "stranded");
    await it.apply(TENANT, aTenant("stranded"));
    await it.condition("Tenant", "stranded", "DatabaseReady", "False", "DatabaseUnreachable");
    await it.client.delete(TENANT, "leaving");
    await it.condition("Tenant", "leaving", "DeletionBlocked", "True", "DatabaseUnreachable");
    await it.postgres.restart();
    await it.condition("Tenant", "stranded", "Ready", "True");
    await eventually(
      () => it.client.list<{ metadata: { name: string } }>(TENANT),
      (all) => !all.some(({ metadata }) => metadata.name === "leaving"),
      30,
    );
  });

  test("a paused Tenant is left as it is", async () => {
    await readyTenant("resting");
    await it.client.mergePatch(TENANT, "resting", undefined, { spec: { paused: true } });
    await it.condition("Tenant", "resting", "Paused", "True");
    const shown = spawnSync(process.execPath, ["src/cli/main.ts", "status", "--kubeconfig", it.kubeconfig], {
      encoding: "utf8",
    });
    expect(shown.stdout).toMatch(/resting +True +Ready +paused: the operator changes nothing of it/);
    await it.client.delete(kinds.LIMIT_RANGE, "agentpg-tenant", "resting");
    await it.condition("Tenant", "resting", "Paused", "True");
    await it.client.mergePatch(TENANT, "resting", undefined, { spec: { paused: false } });
    await eventually(
      () => it.client.get(kinds.LIMIT_RANGE, "agentpg-tenant", "resting"),
      () => true,
    );
    const tenant = await eventually(
      () => it.tenant("resting"),
      (one) => conditionOf(one, "Paused") === undefined,
    );
    expect(conditionOf(tenant, "Ready")?.status).toBe("True");
  });
});

describe("deletion", () => {
  test("Retain keeps the data and closes the logins; the successor needs the annotation to adopt it", async () => {
    await readyTenant("kept");
    await asTenant("kept", "insert into sessions (id, agent, user_id) values (gen_random_uuid(), 'a', 'u')");
    const schema = (await it.tenant("kept")).status?.["schema"];
    const secret = await databaseSecret("kept");
    const login = { ...it.admin, user: decoded(secret, "username"), password: decoded(secret, "password") };
    await it.client.delete(TENANT, "kept");
    await eventually(
      () => it.client.list<{ metadata: { name: string } }>(TENANT),
      (all) => !all.some(({ metadata }) => metadata.name === "kept"),
    );
    const pool = createPool(login, "test", () => {}, { max: 1, min: 0, idleMs: 1000, lifetimeSeconds: 60 });
    await expect(pool.query("select 1")).rejects.toThrow(/not permitted to log in|password authentication failed/);
    await pool.end();
    await it.apply(TENANT, aTenant("kept"));
    const refused = await it.condition("Tenant", "kept", "DatabaseReady", "False", "RetainedByEarlierTenant", 40);
    expect(refused.message).toContain("agentpg.dev/adopt");
    await it.client.mergePatch(TENANT, "kept", undefined, {
      metadata: { annotations: { "agentpg.dev/adopt": "true" } },
    });
    await it.condition("Tenant", "kept", "Ready", "True", undefined, 40);
    expect((await it.tenant("kept")).status?.["schema"]).toBe(schema);
    expect(await asTenant("kept", "select user_id from sessions")).toEqual([{ user_id: "u" }]);
  });

  test("Delete takes schema, roles and namespace", async () => {
    await it.apply(TENANT, aTenant("gone", { deletionPolicy: "Delete" }));
    await it.condition("Tenant", "gone", "CredentialsReady", "False", "ApiKeySecretMissing"); // the operator made the namespace
    await it.apply(kinds.SECRET, {
      metadata: { name: "anthropic", namespace: "gone" },
      stringData: { "api-key": "k" },
    });
    await it.condition("Tenant", "gone", "Ready", "True");
    const schema = (await it.tenant("gone")).status?.["schema"] as string;
    await it.client.delete(TENANT, "gone");
    await eventually(
      () => it.client.list<{ metadata: { name: string } }>(TENANT),
      (all) => !all.some(({ metadata }) => metadata.name === "gone"),
      60,
    );
    const pool = createPool(it.postgres.adminSettings(it.admin.database), "test", () => {}, {
      max: 1,
      min: 0,
      idleMs: 1000,
      lifetimeSeconds: 60,
    });
    const { rows } = await pool.query(
      "select nspname as name from pg_namespace where nspname like $1 union all select rolname from pg_roles where rolname like $1",
      [`${schema}%`],
    );
    await pool.end();
    expect(rows).toEqual([]);
    await expect(it.client.get(kinds.NAMESPACE, "gone")).rejects.toThrow(/not found/);
  });
});

test("a namespace that was handed over is given back, not deleted", async () => {
  await readyTenant("lent", { deletionPolicy: "Delete" });
  await it.client.delete(TENANT, "lent");
  await eventually(
    () => it.client.list<{ metadata: { name: string } }>(TENANT),
    (all) => !all.some(({ metadata }) => metadata.name === "lent"),
  );
  expect((await it.client.get(kinds.NAMESPACE, "lent")).metadata.deletionTimestamp).toBeUndefined();
  for (const kind of [kinds.NETWORK_POLICY, kinds.RESOURCE_QUOTA, kinds.LIMIT_RANGE, kinds.ROLE_BINDING]) {
    expect(await it.client.list(kind, "lent")).toEqual([]);
  }
  expect(
    (await it.client.list<{ metadata: { name: string } }>(kinds.SECRET, "lent")).map(({ metadata }) => metadata.name),
  ).toEqual(["anthropic"]);
});

describe("an Agent in its surroundings", () => {
  beforeAll(async () => readyTenant("agents"));
  const sqlTool = aTool("orders", {
    sql: { statement: "select $1", parameters: { type: "object", properties: { id: { type: "integer" } } } },
  });

  test("becomes restricted pods that know their configuration and no secret", async () => {
    await it.apply(AGENT, anAgent("agents", "support", { tools: [sqlTool], replicas: 2 }));
    const deployment = await eventually(
      () =>
        it.client.get<{ spec: { template: { spec: { [key: string]: unknown } } } }>(
          kinds.DEPLOYMENT,
          "agent-support",
          "agents",
        ),
      () => true,
    );
    const pod = deployment.spec.template.spec;
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000 },
    });
    const names = (
      await Promise.all(
        [kinds.SERVICE, kinds.SERVICE_ACCOUNT, kinds.NETWORK_POLICY, kinds.POD_DISRUPTION_BUDGET].map((kind) =>
          it.client.get(kind, "agent-support", "agents"),
        ),
      )
    ).map(({ metadata }) => metadata.name);
    expect(names).toHaveLength(4);
    const maps = await it.client.list<{ metadata: { name: string }; data: Record<string, string> }>(
      kinds.CONFIG_MAP,
      "agents",
    );
    const config = maps.find(({ metadata }) => metadata.name.startsWith("agent-support-"));
    expect(JSON.parse(config?.data["agent.json"] ?? "")).toMatchObject({
      model: "claude-sonnet-5-5",
      access: { source: "cluster", namespace: "agents" },
    });
    expect(JSON.stringify([deployment, config])).not.toContain("sk-ant-test-planted");
    await eventually(
      () => it.agent("support", "agents"),
      ({ status }) => status?.["endpoint"] === "http://agent-support.agents.svc:8080",
    );
  });

  test("its pods are really admitted by the restricted namespace", async () => {
    await eventually(
      () => it.client.list(kinds.POD, "agents", { labelSelector: "agentpg.dev/agent=support" }),
      (pods) => pods.length === 2,
    );
  });

  test("scaled to one, its disruption budget goes; its old configuration goes once it is rolled out", async () => {
    await it.client.mergePatch(AGENT, "support", "agents", { spec: { replicas: 1 } }, "scale");
    await eventually(
      () => it.client.list(kinds.POD_DISRUPTION_BUDGET, "agents"),
      (all) => all.length === 0,
    );
  });

  test("outside any tenant's namespace it says so, and recovers when the Tenant comes", async () => {
    await it.apply(kinds.NAMESPACE, { metadata: { name: "nobody", labels: { "agentpg.dev/tenant": "nobody" } } });
    await it.apply(AGENT, anAgent("nobody", "lost"));
    const lost = await it.condition("Agent", "nobody/lost", "ConfigurationValid", "False", "NoTenant");
    expect(lost.message).toContain("create a Tenant");
    await it.prepareTenantNamespace("nobody", "nobody");
    await it.apply(TENANT, aTenant("nobody"));
    await it.condition("Agent", "nobody/lost", "ConfigurationValid", "True");
    await eventually(
      () => it.client.get(kinds.DEPLOYMENT, "agent-lost", "nobody"),
      () => true,
    );
  });

  test("a delegate that is missing, then part of a circle, then fine", async () => {
    await it.apply(AGENT, anAgent("agents", "asker", { tools: [aTool("other", { agent: { name: "asked" } })] }));
    await it.condition("Agent", "agents/asker", "ConfigurationValid", "False", "DelegateMissing");
    await it.apply(AGENT, anAgent("agents", "asked", { tools: [aTool("back", { agent: { name: "asker" } })] }));
    const circle = await it.condition("Agent", "agents/asker", "ConfigurationValid", "False", "DelegationCycle");
    expect(circle.message).toContain("asker → asked → asker");
    await it.apply(AGENT, anAgent("agents", "asked", { tools: [] }));
    await it.condition("Agent", "agents/asker", "ConfigurationValid", "True");
    const events = await it.client.list<{ reason: string; involvedObject: { name: string } }>(kinds.EVENT, "agents");
    expect(events.filter(({ involvedObject }) => involvedObject.name === "asker").map(({ reason }) => reason)).toEqual(
      expect.arrayContaining(["DelegateMissing", "DelegationCycle"]),
    );
  });

  test("waits for the ConfigMap of its module, mounts it whole, and rolls out when it changes", async () => {
    const map = (text: string) => ({ metadata: { name: "tools", namespace: "agents" }, data: { "shop.ts": text } });
    const shop = { name: "shop", configMapKeyRef: { name: "tools", key: "shop.ts" } };
    type Pod = { volumes: object[]; containers: { volumeMounts: object[]; env: { name: string; value?: string }[] }[] };
    const pod = async () => {
      const live = await it.client.get<{ spec: { template: { spec: Pod } } }>(
        kinds.DEPLOYMENT,
        "agent-modular",
        "agents",
      );
      return live.spec.template.spec;
    };
    const revision = async () =>
      (await pod()).containers[0]?.env.find(({ name }) => name === "AGENTPG_CONFIG_REVISION")?.value;
    const look = () =>
      // ConfigMaps are not watched
      it.client.mergePatch(AGENT, "modular", "agents", { metadata: { annotations: { looked: String(Date.now()) } } });
    await it.apply(AGENT, anAgent("agents", "modular", { modules: [shop] }));
    const missing = await it.condition("Agent", "agents/modular", "ConfigurationValid", "False", "ModuleMissing");
    expect(missing.message).toContain("ConfigMap tools has no key shop.ts");
    await it.apply(kinds.CONFIG_MAP, map("export const tools = [];"));
    await look();
    await it.condition("Agent", "agents/modular", "ConfigurationValid", "True");
    const { volumes, containers } = await pod();
    expect(volumes).toContainEqual({ name: "module-shop", configMap: expect.objectContaining({ name: "tools" }) });
    expect(containers[0]?.volumeMounts).toContainEqual(
      expect.objectContaining({ mountPath: "/etc/agentpg/modules/shop", readOnly: true }),
    );
    const before = await revision();
    await it.apply(kinds.CONFIG_MAP, map("export const hooks = [];"));
    await look();
    await eventually(revision, (now) => now !== before);
  });

  test("an MCP server's token that is not there, and one that is not for it", async () => {
    await readyTenant("wikis");
    const mcp = { url: "https://wiki.example.com/mcp", allowedTools: ["search"] };
    const wiki = (name: string) => ({
      tools: [{ name: "Wiki", description: "d", mcp: { ...mcp, tokenSecretRef: { name } } }],
    });
    await it.apply(AGENT, anAgent("wikis", "reader", wiki("agentpg-database")));
    const own = await it.condition("Agent", "wikis/reader", "ConfigurationValid", "False", "McpTokenMissing");
    expect(own.message).toContain("Wiki.mcp.tokenSecretRef: Secret agentpg-database is not for MCP servers");
    await it.apply(AGENT, anAgent("wikis", "reader", wiki("wiki-token")));
    await eventually(
      async () => (await it.condition("Agent", "wikis/reader", "ConfigurationValid", "False")).message,
      (now) => now.includes("Secret wiki-token does not exist"),
    );
    const metadata = { name: "wiki-token", namespace: "wikis" };
    await it.apply(kinds.SECRET, { metadata, stringData: { token: "t0ken" } });
    // Secrets are not watched
    await it.client.mergePatch(AGENT, "reader", "wikis", { metadata: { annotations: { looked: "again" } } });
    await it.condition("Agent", "wikis/reader", "ConfigurationValid", "True");
    const live = await it.client.get(kinds.DEPLOYMENT, "agent-reader", "wikis");
    expect(JSON.stringify(live)).not.toContain("t0ken");
    expect(JSON.stringify(live)).toContain("/etc/agentpg/mcp-tokens");
    const secret = { name: "wiki-token", optional: true, items: [{ key: "token", path: "Wiki" }] };
    const { volumes } = (live as unknown as { spec: { template: { spec: { volumes: object[] } } } }).spec.template.spec;
    expect(volumes).toContainEqual({ name: "mcp-tokens", projected: { defaultMode: 0o440, sources: [{ secret }] } });
  });

  test("a model that the tenant does not allow", async () => {
    await readyTenant("picky", { anthropic: { allowedModels: ["claude-haiku-5-5"] } });
    await it.apply(AGENT, anAgent("picky", "big"));
    await it.condition("Agent", "picky/big", "ConfigurationValid", "False", "ModelNotAllowed");
    await it.client.mergePatch(TENANT, "picky", undefined, { spec: { anthropic: { allowedModels: [] } } });
    await it.condition("Agent", "picky/big", "ConfigurationValid", "True");
  });

  test("an object of somebody else under its name is not overwritten", async () => {
    const foreign = {
      metadata: { name: "agent-clash", namespace: "agents" },
      spec: { selector: { app: "theirs" }, ports: [{ name: "api", port: 1234 }] },
    };
    await it.apply(kinds.SERVICE, foreign);
    await it.apply(AGENT, anAgent("agents", "clash"));
    const clash = await it.condition("Agent", "agents/clash", "ConfigurationValid", "False", "ForeignObject");
    expect(clash.message).toContain("agents/agent-clash");
    expect(
      (await it.client.get<{ spec: { selector: object } }>(kinds.SERVICE, "agent-clash", "agents")).spec.selector,
    ).toEqual({ app: "theirs" });
    await it.client.delete(kinds.SERVICE, "agent-clash", "agents");
    await it.condition("Agent", "agents/clash", "ConfigurationValid", "True", undefined, 40);
  });

  test("a deleted Agent leaves nothing", async () => {
    await it.client.delete(AGENT, "support", "agents");
    await eventually(
      () => it.client.list<{ metadata: { name: string } }>(kinds.DEPLOYMENT, "agents"),
      (all) => !all.some(({ metadata }) => metadata.name === "agent-support"),
      60,
    );
    await eventually(
      () => it.client.list<{ metadata: { name: string } }>(kinds.CONFIG_MAP, "agents"),
      (all) => !all.some(({ metadata }) => metadata.name.startsWith("agent-support-")),
      60,
    );
  });
});

// By now the garbage collector knows Agents, which takes it half a minute after their definition.
describe("an Agent that is deleted", () => {
  beforeAll(async () => readyTenant("leavers"));

  const of = (agent: string) => ({ labelSelector: `agentpg.dev/agent=${agent}` });
  const list = (kind: ResourceKind, agent: string) => it.client.list<KubernetesObject>(kind, "leavers", of(agent));
  const policies = async (agent: string) =>
    (await list(kinds.NETWORK_POLICY, agent)).map(({ metadata }) => metadata.uid);
  const apply = (agent: string) => it.apply(AGENT, anAgent("leavers", agent));
  const setFinalizers = (pods: KubernetesObject[], finalizers: string[]) =>
    Promise.all(
      pods.map(({ metadata: { name } }) =>
        it.client.mergePatch(kinds.POD, name, "leavers", { metadata: { finalizers } }),
      ),
    );

  /** An Agent whose pods stay when they are deleted, as those do that finish their runs; the function lets them go. */
  async function withBusyPods(agent: string): Promise<() => Promise<unknown>> {
    await apply(agent);
    const pods = await eventually(
      () => list(kinds.POD, agent),
      (all) => all.length > 0,
    );
    await setFinalizers(pods, ["example.com/busy"]);
    return () => setFinalizers(pods, []);
  }

  /** Waits until the garbage collector has taken all that the Agent owned; its pods are told to end. */
  async function deleteAgent(agent: string): Promise<void> {
    await it.client.delete(AGENT, agent, "leavers");
    const owned = [kinds.DEPLOYMENT, kinds.SERVICE, kinds.SERVICE_ACCOUNT, kinds.CONFIG_MAP];
    await eventually(
      async () => (await Promise.all(owned.map((kind) => list(kind, agent)))).flat(),
      (all) => all.length === 0,
      60, // should this be the first that the garbage collector hears of Agents
    );
    await eventually(
      () => list(kinds.POD, agent),
      (pods) => pods.every(({ metadata }) => metadata.deletionTimestamp),
    );
  }

  const isMade = (agent: string) =>
    eventually(
      () => list(kinds.DEPLOYMENT, agent),
      (all) => all.length === 1,
    );
  const policyGoes = (agent: string) =>
    eventually(
      () => policies(agent),
      (all) => all.length === 0,
    );

  test("keeps its network until its pods have ended, and longer when it is made anew meanwhile", async () => {
    const end = await Promise.all(["goer", "returner"].map(withBusyPods));
    const before = await Promise.all(["goer", "returner"].map(policies));
    await Promise.all(["goer", "returner"].map(deleteAgent));
    expect(await Promise.all(["goer", "returner"].map(policies))).toEqual(before);
    await apply("returner");
    await isMade("returner");
    await Promise.all(end.map((one) => one()));
    await policyGoes("goer");
    expect(await policies("returner")).toEqual(before[1]);
  });

  test("keeps it over the death of the operator; the next one takes away what is nobody's, and lets the rest be", async () => {
    await it.stopOperator();
    const operator = await startOperatorProcess(it.operatorConfig({ leaderElection: false }), it.kubeconfig);
    const end = await Promise.all(["orphaned", "renewed", "busy"].map(withBusyPods)).finally(() => operator.kill());
    const made = await Promise.all(["renewed", "busy"].map(policies));
    await Promise.all(["orphaned", "renewed", "busy"].map(deleteAgent));
    await apply("renewed");
    const [endOrphaned, endRenewed, endBusy] = end;
    await Promise.all([endOrphaned?.(), endRenewed?.()]);
    expect(await policies("orphaned")).toHaveLength(1);
    await it.startOperator();
    await policyGoes("orphaned");
    await isMade("renewed");
    expect(await Promise.all(["renewed", "busy"].map(policies))).toEqual(made);
    await endBusy?.();
    await policyGoes("busy");
  });

  test("does not own its policy, nor one that an earlier release made", async () => {
    await apply("elder");
    await isMade("elder");
    const { uid = "" } = (await it.agent("elder", "leavers")).metadata;
    const { spec, metadata } = await it.client.get(kinds.NETWORK_POLICY, "agent-elder", "leavers");
    const owner = { apiVersion: AGENT.apiVersion, kind: AGENT.kind, name: "elder", uid, controller: true };
    const { name, namespace, labels } = metadata;
    const before = {
      metadata: { name, namespace, labels, annotations: { "agentpg.dev/applied": "before" }, ownerReferences: [owner] },
      spec,
    };
    await it.client.apply(kinds.NETWORK_POLICY, before, {
      fieldManager: "agentpg-agent-controller",
    });
    await eventually(
      () => it.client.get(kinds.NETWORK_POLICY, "agent-elder", "leavers"),
      (live) => live.metadata.ownerReferences === undefined,
    );
  });

  test("is looked for once more before its policy goes: watches tell of different kinds at different times", async () => {
    await it.apply(AGENT, anAgent("leavers", "unheard", { replicas: 0 }));
    await isMade("unheard");
    const caches = new Caches(it.client, silentLogger, 60_000);
    const over = new AbortController();
    // Nothing has been heard of Agents and Deployments.
    const heard = caches.all().filter(({ kind }) => ["Tenant", "Namespace", "NetworkPolicy"].includes(kind.kind));
    const running = heard.map((one) => one.run(over.signal));
    await Promise.all(heard.map((one) => one.waitForSync(over.signal)));
    const key = "leavers/unheard";
    expect(await endLeftPolicy({ client: it.client, caches, config: it.operatorConfig() }, key)).toEqual({});
    expect(await policies("unheard")).toHaveLength(1);
    await it.client.delete(AGENT, "unheard", "leavers");
    await endLeftPolicy({ client: it.client, caches, config: it.operatorConfig() }, key);
    await policyGoes("unheard");
    over.abort();
    await Promise.all(running);
  });

  test("goes with its Tenant when that is deleted before its pods have ended, its policy too", async () => {
    const end = await withBusyPods("last");
    await deleteAgent("last");
    await it.client.delete(TENANT, "leavers");
    await eventually(
      () => it.tenant("leavers"),
      (tenant) => JSON.stringify(tenant.status?.conditions).includes("waiting for 1 agent pods"),
    );
    expect(await policies("last")).toHaveLength(1);
    await end();
    await policyGoes("last");
  });
});

describe("an operator from a terminal", () => {
  test("reconciles like the one in the cluster, and ends cleanly when it is asked to", async () => {
    await it.stopOperator();
    const folder = await mkdtemp(join(tmpdir(), "agentpg-terminal-"));
    const file = join(folder, "operator.json");
    await writeFile(file, JSON.stringify(it.operatorConfig({ healthPort: 0, metricsPort: 0 })));
    const args = ["src/cli/main.ts", "operator", "--config", file, "--kubeconfig", it.kubeconfig];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
    try {
      await it.prepareTenantNamespace("terminal", "terminal");
      await it.apply(TENANT, aTenant("terminal"));
      await it.condition("Tenant", "terminal", "Ready", "True");
    } finally {
      child.kill("SIGTERM");
    }
    expect(await ended, out).toBe(0);
    await rm(folder, { recursive: true });
    await it.startOperator();
  });
});

describe("two operators", () => {
  test("one leads; when it ends, the other takes over at once", async () => {
    const { startOperator } = await import("../../src/operator/main.ts");
    const { operatorConfig } = await import("../../src/operator/config.ts");
    const { silentLogger } = await import("../../src/telemetry/log.ts");
    const config = operatorConfig.parse({
      namespace: "agentpg-system",
      image: "x",
      database: { host: it.admin.host, port: it.admin.port, name: it.admin.database, credentialsDir: "/nonexistent" },
      healthPort: 0,
      metricsPort: 0,
    });
    const second = await startOperator({
      config,
      kubeconfig: it.kubeconfig,
      logger: silentLogger,
      migrationsDir: "migrations",
    });
    expect(second.leading()).toBe(false);
    await it.stopOperator();
    await eventually(
      () => second.leading(),
      (leads) => leads,
      10,
    );
    await second.stop();
    await it.startOperator();
  });
});
