import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SecurityCheck } from "../../src/api/security-checks.ts";
import { clientOptions } from "../../src/database/connection.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import type { RunningOperator } from "../../src/operator/main.ts";
import { anAgent, aTenant, aTool } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { allObjects } from "../support/all-objects.ts";
import { type TenantPod, TenantPods } from "../support/tenant-pods.ts";
import { freePort } from "../support/postgres.ts";
import { startHarness, type OperatorHarness } from "../support/operator-harness.ts";

let it: OperatorHarness;
let operator: RunningOperator;
let superuser: Client;

/** Drift is repaired at each resync: what a test breaks has to stay broken until a check sees it. */
const SETTLED = { resyncSeconds: 3600 };
const today = new Date().toISOString().slice(0, 10);
const documents = {
  incidentPlan: { date: today, place: "wiki/incidents" },
  auditSchedule: { date: "2020-01-01", place: "wiki/audits" },
};
const EAGER = { securityChecks: { firstAfterSeconds: 0, intervalSeconds: 1, loginSeconds: 1, documents } };
let more: object;
let pods: TenantPods;
let keysDir: string;

const LOOKUP = aTool("lookup", { sql: { statement: "SELECT 1" } });

const restrictedPod = (name: string, more: object = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name },
  spec: { containers: [{ name: "c", image: "x", ...more }] },
});

beforeAll(async () => {
  it = await startHarness();
  superuser = new Client(clientOptions(it.postgres.adminSettings(it.admin.database), "test"));
  await superuser.connect();
  await it.prepareTenantNamespace("north", "north", "sk-ant-test-north-1");
  await it.prepareTenantNamespace("south", "south", "sk-ant-test-south-1");
  pods = await TenantPods.create(it);
  keysDir = await pods.keyEncryptionKeys();
  more = { ...SETTLED, ...EAGER, apiKeys: { everySeconds: 1 }, metricsPort: await freePort(), encryption: { keysDir } };
  operator = await it.startOperator(more);
  await it.apply(TENANT, aTenant("north"));
  await it.apply(TENANT, aTenant("south"));
  await it.apply(AGENT, anAgent("north", "clerk", { tools: [LOOKUP] }));
}, 1_800_000);
afterAll(async () => {
  await pods?.close();
  await superuser?.end();
  await it?.stop();
});

const rowOf = async (name: string, tenant: string) =>
  ((await it.tenant(tenant)).status?.["securityChecks"] as SecurityCheck[] | undefined)?.find(
    (row) => row.name === name,
  );
/** Waits until a row says so. */
const row = async (name: string, status: SecurityCheck["status"], reason?: string, tenant = "north") =>
  (await eventually(
    () => rowOf(name, tenant),
    (it) => it?.status === status && (reason === undefined || it.reason === reason),
    15,
  )) as SecurityCheck;
const idOf = async (tenant: string): Promise<string> =>
  (await superuser.query<{ id: string }>("SELECT id FROM agentpg_operator.tenant WHERE tenant_name = $1", [tenant]))
    .rows[0]?.id as string;
/** SQL that chains so many lines to a tenant's audit log. */
const append = (schema: string, count: number): string => `DO $$ DECLARE h bytea; line text; BEGIN
    SELECT hash INTO h FROM ${schema}.audit_head;
    FOR n IN 1..${count} LOOP
      line := format('{"at":"2026-11-28T10:00:00.000Z","n":%s}', n);
      INSERT INTO ${schema}.audit (seq, at, prev_hash, hash, record)
        VALUES (n, '2026-11-28T10:00:00Z', h, sha256(h || convert_to(line, 'UTF8')), line) RETURNING hash INTO h;
    END LOOP;
    UPDATE ${schema}.audit_head SET seq = ${count}, hash = h;
  END $$`;
const loginOf = async (tenant: string) => {
  const { data } = await it.client.get<{ data: Record<string, string> }>(kinds.SECRET, "agentpg-database", tenant);
  const read = (key: string) => Buffer.from(data[key] ?? "", "base64").toString();
  return { ...it.admin, user: read("username"), password: read("password") };
};

describe("DatabaseTLS", () => {
  test("passes where Postgres says that all connections are encrypted", async () => {
    await row("DatabaseTLS", "Passed", "Verified");
  });

  test("fails while a login of the tenant is connected in plain text", async () => {
    const plainText = async (allowed: boolean) => {
      const line = `${allowed ? "host" : "hostssl"} all all all scram-sha-256\n`;
      await writeFile(join(it.postgres.dataDirectory, "pg_hba.conf"), line);
      await superuser.query("SELECT pg_reload_conf()");
    };
    await plainText(true);
    const client = new Client(clientOptions({ ...(await loginOf("north")), tls: "disable" }, "test"));
    await client.connect();
    try {
      expect((await row("DatabaseTLS", "Failed", "PlainText")).message).toContain("database.insecure");
    } finally {
      await client.end();
      await plainText(false);
    }
    await row("DatabaseTLS", "Passed");
  });
});

describe("NoCredentialInSpec", () => {
  test("passes, and fails with the path of a key that somebody wrote into a prompt, but without the key", async () => {
    await row("NoCredentialInSpec", "Passed");
    const planted = "sk-ant-planted-in-a-prompt-4711";
    await it.apply(AGENT, anAgent("north", "clerk", { tools: [LOOKUP], systemPrompt: `Use ${planted} when asked.` }));
    const failed = await row("NoCredentialInSpec", "Failed");
    expect(failed.message).toContain("Agent clerk spec.systemPrompt looks like an Anthropic API key");
    expect(JSON.stringify(await it.tenant("north"))).not.toContain(planted);
    await it.apply(AGENT, anAgent("north", "clerk", { tools: [LOOKUP], systemPrompt: "Be kind." }));
    await row("NoCredentialInSpec", "Passed");
  });

  test("fails for a key in a ConfigMap that an Agent takes its prompt from", async () => {
    const prompt = (text: string) =>
      it.apply(kinds.CONFIG_MAP, { metadata: { name: "prompts", namespace: "north" }, data: { clerk: text } });
    await prompt("The password is in postgres://clerk:hunter2@db/app");
    const from = { systemPromptFrom: { configMapKeyRef: { name: "prompts", key: "clerk" } } };
    await it.apply(AGENT, anAgent("north", "reader", from));
    const failed = await row("NoCredentialInSpec", "Failed");
    expect(failed.message).toContain("ConfigMap prompts data.clerk looks like a database URL with a password");
    await it.client.delete(AGENT, "reader", "north");
    await row("NoCredentialInSpec", "Passed");
  });
});

describe("KeysRotated", () => {
  test("passes, and names the key by its fingerprint", async () => {
    const before = await row("KeysRotated", "Passed");
    const { apiKey } = (await it.tenant("north")).status as { apiKey: { fingerprint: string; since: string } };
    expect(before.message).toContain(apiKey.fingerprint);
  });

  test("fails when the key has been known for longer than the Tenant allows", async () => {
    await it.stopOperator();
    const old = { fingerprint: "00000000", since: "2020-01-01T00:00:00Z" };
    const { apiKey } = (await it.tenant("south")).status as { apiKey: typeof old };
    await it.client.mergePatch(
      TENANT,
      "south",
      undefined,
      { status: { apiKey: { ...apiKey, since: old.since } } },
      "status",
    );
    operator = await it.startOperator(more);
    const failed = await row("KeysRotated", "Failed", "TooOld", "south");
    expect(failed.message).toContain("due on 2020-03-31");
    expect(failed.message).toContain("Secret anthropic");
  });
});

describe("CrossTenantRefused", () => {
  test("passes when the tenant's own login was refused everything of another", async () => {
    const passed = await row("CrossTenantRefused", "Passed");
    expect(passed.message).toContain("another tenant's sessions");
  });

  test("fails when somebody granted the tenant another's schema, and passes when it is taken back", async () => {
    const [north, south] = [await idOf("north"), await idOf("south")];
    await superuser.query(
      `GRANT USAGE ON SCHEMA ${south} TO ${north}_rw; GRANT SELECT ON ${south}.sessions TO ${north}_rw`,
    );
    expect((await row("CrossTenantRefused", "Failed", "LetIn")).message).toContain("another tenant's sessions");
    const event = await eventually(
      () => it.client.list<{ reason: string; message: string; metadata: { name: string } }>(kinds.EVENT, "default"),
      (events) => events.some((one) => one.reason === "SecurityCheckFailed" && one.message.startsWith("CrossTenant")),
    );
    expect(event.length).toBeGreaterThan(0);
    expect(await operator.metrics.metrics()).toContain(
      'agentpg_security_check{tenant="north",check="CrossTenantRefused"} 0',
    );
    await superuser.query(
      `REVOKE SELECT ON ${south}.sessions FROM ${north}_rw; REVOKE USAGE ON SCHEMA ${south} FROM ${north}_rw`,
    );
    await row("CrossTenantRefused", "Passed");
    expect(await operator.metrics.metrics()).toContain(
      'agentpg_security_check{tenant="north",check="CrossTenantRefused"} 1',
    );
  });

  test("fails when the tenant was made a member of another's role", async () => {
    const [north, south] = [await idOf("north"), await idOf("south")];
    await superuser.query(`GRANT ${north}_rw TO ${south}_rw`);
    expect((await row("CrossTenantRefused", "Failed", "LetIn", "south")).message).toContain(
      "another tenant's messages",
    );
    await superuser.query(`REVOKE ${north}_rw FROM ${south}_rw`);
    await row("CrossTenantRefused", "Passed", undefined, "south");
  });
});

describe("what pods prove of themselves", () => {
  test("passes with a real agent of the configuration that the operator made", async () => {
    await row("ToolInputsValidated", "Unknown", "NoPods");
    const agent = await pods.start("north", "clerk");
    await row("ToolInputsValidated", "Passed");
    await row("ErrorsRedacted", "Passed");
    await row("RateLimits", "Passed");
    await agent.stop(0);
  });

  test("RateLimits and ToolInputsValidated fail for an agent with laxer limits and a tool whose schema takes anything", async () => {
    const agent = await pods.start("north", "clerk", (config) => ({
      ...config,
      tenantLimits: { runsPerMinute: 100_000, concurrentRuns: 50 },
      tools: config.tools.map((tool) => ({
        ...tool,
        sql: { statement: "SELECT 1", parameters: { type: ["object", "number"] } },
      })),
    }));
    expect((await row("RateLimits", "Failed", "Laxer")).message).toContain("clerk");
    expect((await row("ToolInputsValidated", "Failed")).message).toContain("clerk");
    await agent.stop(0);
    await row("RateLimits", "Unknown", "NoPods");
  });

  test("ErrorsRedacted fails when a pod finds that its errors leak", async () => {
    const login = new Client(clientOptions(await loginOf("north"), "test"));
    await login.connect();
    const security = {
      config: "x",
      tools: { all: 0, refusing: 0 },
      errorsRedacted: false,
      encrypts: false,
      pii: "Off",
      limits: { runsPerMinute: 1, concurrentRuns: 1 },
    };
    await login.query(
      `INSERT INTO ${await idOf("north")}.workers (id, agent, expires_at, report) VALUES (gen_random_uuid(), 'clerk', now() + interval '5 s', $1)`,
      [JSON.stringify({ pod: "p", credentials: "", problem: null, security })],
    );
    await login.end();
    expect((await row("ErrorsRedacted", "Failed", "Leaks")).message).toContain("clerk");
  });
});

describe("AuditIntact", () => {
  test("passes over the lines of a real run, and fails when one was changed, or the last was taken away", async () => {
    await row("AuditIntact", "Unknown", "NothingWritten");
    const agent = await pods.start("north", "clerk");
    await agent.ask("hello");
    await agent.stop(0);
    await row("AuditIntact", "Passed");
    const audit = `${await idOf("north")}.audit`;
    const { rows } = await superuser.query<{ seq: string; record: string }>(
      `SELECT seq, record FROM ${audit} ORDER BY seq DESC LIMIT 1`,
    );
    await superuser.query(`UPDATE ${audit} SET record = record || ' '`);
    expect((await row("AuditIntact", "Failed", "Tampered")).message).toContain("is not what was written");
    await superuser.query(`UPDATE ${audit} SET record = left(record, -1)`);
    await row("AuditIntact", "Passed");
    await superuser.query(`DELETE FROM ${audit} WHERE seq = $1`, [rows[0]?.seq]);
    expect((await row("AuditIntact", "Failed", "Tampered")).message).toContain("is missing");
  });

  test("fails when an old line of a long log was changed that was found whole before, and passes only when all of it is whole again", async () => {
    const schema = await idOf("south");
    const audit = `${schema}.audit`;
    await superuser.query(append(schema, 12_000));
    const anchored = async () => {
      const text = `SELECT a.seq::int FROM agentpg_operator.audit_anchor a JOIN agentpg_operator.tenant t ON t.id = a.tenant_id WHERE t.id = $1`;
      return (await superuser.query<{ seq: number }>(text, [schema])).rows[0]?.seq;
    };
    await eventually(anchored, (seq) => seq === 12_000);
    await row("AuditIntact", "Passed", "ChainHolds", "south");
    await superuser.query(`UPDATE ${audit} SET record = record || ' ' WHERE seq = 3`);
    const message = "row 3 is not what was written";
    expect((await row("AuditIntact", "Failed", "Tampered", "south")).message).toContain(message);
    const seen = new Set<string | undefined>(); // over rounds that look at other rows
    for (const until = Date.now() + 5_000; Date.now() < until; await sleep(200))
      seen.add((await rowOf("AuditIntact", "south"))?.status);
    expect([...seen]).toEqual(["Failed"]);
    await superuser.query(`UPDATE ${audit} SET record = left(record, -1) WHERE seq = 3`);
    await row("AuditIntact", "Passed", "ChainHolds", "south");
  });
});

describe("TlsMinimum", () => {
  test("passes, and fails while the server takes TLS 1.1", async () => {
    await row("TlsMinimum", "Passed");
    const settings = async (...statements: string[]) => {
      for (const statement of [...statements, "SELECT pg_reload_conf()"]) await superuser.query(statement);
    };
    const old = ["ssl_min_protocol_version = 'TLSv1.1'", "ssl_ciphers = 'DEFAULT@SECLEVEL=0'"];
    await settings(...old.map((it) => `ALTER SYSTEM SET ${it}`));
    expect((await row("TlsMinimum", "Failed", "ServerTakesOld")).message).toContain("ALTER SYSTEM");
    await settings("ALTER SYSTEM RESET ssl_min_protocol_version", "ALTER SYSTEM RESET ssl_ciphers");
    await row("TlsMinimum", "Passed");
  });
});

describe("EncryptionAtRest", () => {
  test("is a choice while it is off; passes; and fails when an agent that should encrypt stores plain text", async () => {
    await row("EncryptionAtRest", "Unknown", "Off");
    await it.apply(AGENT, anAgent("south", "vault", { dataProtection: { encryptTranscripts: true } }));
    await row("EncryptionAtRest", "Passed", undefined, "south");
    const agent = await pods.start("south", "vault", (config) => ({ ...config, encryptTranscripts: false }));
    await agent.ask("hello");
    expect((await row("EncryptionAtRest", "Failed", "StoredInPlainText", "south")).message).toContain("vault");
    await agent.stop(0);
  });
});

describe("PiiPolicy", () => {
  test("names the Agents that filter nothing: a choice, and no failure", async () => {
    expect((await row("PiiPolicy", "Unknown", "Off")).message).toContain("clerk");
  });

  test("passes when all filter, and fails when a pod does not", async () => {
    await it.apply(AGENT, anAgent("south", "vault", { dataProtection: { encryptTranscripts: true, pii: "Redact" } }));
    await row("PiiPolicy", "Passed", "On", "south");
    const agent = await pods.start("south", "vault", (config) => ({
      ...config,
      encryptTranscripts: false,
      pii: "Off",
    }));
    expect((await row("PiiPolicy", "Failed", "NotFiltered", "south")).message).toContain("vault");
    await agent.stop(0);
  });
});

describe("NetworkPolicyPresent", () => {
  test("passes with the operator's policies, and fails when somebody opens the agents to all", async () => {
    await row("NetworkPolicyPresent", "Passed");
    const open = {
      metadata: { name: "debug", namespace: "north" },
      spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{}] },
    };
    await it.apply(kinds.NETWORK_POLICY, open);
    expect((await row("NetworkPolicyPresent", "Failed", "OpenedByOthers")).message).toContain("debug");
    await it.client.delete(kinds.NETWORK_POLICY, "debug", "north");
    await row("NetworkPolicyPresent", "Passed");
  });
});

describe("what people write down", () => {
  test("a document of this year passes, an older one fails, and one that nobody named is Unknown", async () => {
    expect((await row("IncidentPlan", "Passed")).message).toContain("wiki/incidents");
    expect((await row("AuditSchedule", "Failed", "Outdated")).message).toContain(
      "securityChecks.documents.auditSchedule",
    );
    await row("AccessLogsReviewed", "Unknown", "NoDocument");
  });
});

describe("AnomaliesWatched", () => {
  test("passes once somebody collects the operator's metrics", async () => {
    await row("AnomaliesWatched", "Unknown", "NotScraped");
    await fetch(`http://127.0.0.1:${(more as { metricsPort: number }).metricsPort}/metrics`, {
      headers: { connection: "close" },
    });
    await row("AnomaliesWatched", "Passed", "Scraped");
  });
});

describe("RetentionRan", () => {
  test("fails when the last run was long ago", async () => {
    await row("RetentionRan", "Unknown", "NotRunYet");
    await it.stopOperator();
    await superuser.query(
      `INSERT INTO agentpg_operator.retention (tenant_id, ran_at, removed) VALUES ($1, now() - interval '10 days', '{}')`,
      [await idOf("north")],
    );
    operator = await it.startOperator(more);
    await row("RetentionRan", "Failed", "NotRun");
    await superuser.query("UPDATE agentpg_operator.retention SET ran_at = now()");
    await it.stopOperator();
    operator = await it.startOperator(more);
    await row("RetentionRan", "Passed");
  });
});

describe("PodsRestricted", () => {
  test("passes with the agent's pods as the operator makes them, and fails with a pod that was there before", async () => {
    await row("PodsRestricted", "Passed");
    await it.client.apply(
      kinds.NAMESPACE,
      { metadata: { name: "west", labels: { "agentpg.dev/tenant": "west" } } },
      { fieldManager: "test" },
    );
    await it.client.create(kinds.POD, restrictedPod("miner", { securityContext: { privileged: true } }), "west");
    await it.prepareTenantNamespace("west", "west");
    await it.apply(TENANT, aTenant("west"));
    const failed = await row("PodsRestricted", "Failed", "NotRestricted", "west");
    expect(failed.message).toContain("Pod miner: c is privileged");
    await it.client.delete(kinds.POD, "miner", "west");
    await row("PodsRestricted", "Unknown", "NoPods", "west");
  });
});

test("a changed API key is in use within 10 seconds, by pods whose kubelet only looks when they change, and no run fails", async () => {
  const agent = await pods.start("north", "clerk");
  const uids = async () =>
    (await it.client.list<{ metadata: { uid: string } }>(kinds.POD, "north")).map((one) => one.metadata.uid);
  const before = await uids();
  const runs: Promise<string>[] = [];
  let changedAt = 0;
  const inUse = await eventually(
    async () => {
      runs.push(agent.ask("hello"));
      if (runs.length === 3) {
        await it.prepareTenantNamespace("north", "north", "sk-ant-test-north-NEW2");
        changedAt = Date.now();
      }
      await runs.at(-1);
      return pods.claude.stats.keys["NEW2"] ? Date.now() - changedAt : undefined;
    },
    (ms) => ms !== undefined,
  );
  expect(inUse).toBeLessThan(10_000);
  const states = await Promise.all(runs.map(async (id) => (await agent.client.getRun(await id)).state));
  expect(new Set(states)).toEqual(new Set(["completed"]));
  expect(await uids()).toEqual(before);
  const status = JSON.stringify(await it.tenant("north"));
  expect(status).not.toContain("sk-ant-test-north");
  expect(status).toContain((agent.status() as { apiKey: { fingerprint: string } }).apiKey.fingerprint);
  await agent.stop(0);
});

test("a rotated database password reaches such pods at once, too", async () => {
  const agent = await pods.start("north", "clerk");
  const before = (agent.status() as { database: { revision: string } }).database.revision;
  await it.client.mergePatch(TENANT, "north", undefined, {
    metadata: { annotations: { "agentpg.dev/rotate-password": "now" } },
  });
  await eventually(
    () => (agent.status() as { database: { revision: string } }).database.revision,
    (revision) => revision !== before,
    15,
  );
  await agent.stop(0);
});

test("`agentpg status --security` shows each row with its proof, and says by its exit code whether one failed", async () => {
  const status = async (...more: string[]) => {
    const main = join(import.meta.dirname, "../../src/cli/main.ts");
    const args = [main, "status", "--kubeconfig", it.kubeconfig, "--security", ...more];
    return promisify(execFile)(process.execPath, args).then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
    );
  };
  await row("CrossTenantRefused", "Passed");
  const north = await status("north");
  expect(north).toMatchObject({ code: 1, stdout: expect.stringContaining("was refused with SQLSTATE 42501") });
  expect(north.stdout).not.toContain("south ");
  const all = await status("-o", "json");
  expect(all.code).toBe(1);
  expect(JSON.parse(all.stdout)[0]).toMatchObject({ name: expect.any(String), tenant: expect.any(String) });
  expect((await status("nobody")).code).toBe(1);
}, 60_000);

test("looks that find nothing new write nothing", async () => {
  await row("CrossTenantRefused", "Passed");
  const { sent } = operator.client;
  const writes = () => [sent["PATCH"], sent["POST"]];
  await eventually(
    async () => {
      const before = writes();
      const gets = sent["GET"] ?? 0;
      await eventually(
        () => sent["GET"] ?? 0,
        (now) => now > gets + 20,
      );
      return { before, after: writes() };
    },
    ({ before, after }) => before.every((count, at) => count === after[at]),
  );
});

/** Everything of these processes that somebody who may not read Secrets could come by. */
async function everythingElse(agent: TenantPod): Promise<Map<string, string>> {
  const read = (path: string) => readFile(path, "utf8").catch(() => "");
  const status = await fetch(`http://127.0.0.1:${agent.metricsPort}/status`, { headers: { connection: "close" } });
  const lost = await fetch(`http://127.0.0.1:${agent.port}/v1/sessions/none`, { headers: { connection: "close" } });
  return new Map([
    ...(await allObjects(it.client)),
    ["the operator's log", it.log.join("")],
    ["the agents' log", pods.log.join("")],
    ["the operator's metrics", await operator.metrics.metrics()],
    ["the agent's metrics", await agent.metrics.registry.metrics()],
    ["the agent's status", await status.text()],
    ["an error of the agent", await lost.text()],
    ["the environment of the processes", await read("/proc/self/environ")],
    ["the arguments of the processes", await read("/proc/self/cmdline")],
  ]);
}

test("after all this, no planted secret is anywhere but in its Secret: objects, Events, logs, metrics, errors, environment", async () => {
  const token = "mcp-planted-bearer-token-0815";
  await it.apply(kinds.SECRET, {
    metadata: { name: "crm-token", namespace: "north", annotations: { "agentpg.dev/mcp-host": "mcp.example.com" } },
    stringData: { token },
  });
  const crm = aTool("crm", {
    mcp: { url: "https://mcp.example.com/mcp", allowedTools: ["find"], tokenSecretRef: { name: "crm-token" } },
  });
  await it.apply(AGENT, anAgent("north", "caller", { tools: [crm] }));
  await it.apply(kinds.SECRET, {
    metadata: { name: "anthropic", namespace: "north" },
    stringData: { "api-key": "sk-ant-bad" },
  });
  const agent = await pods.start("north", "clerk");
  await agent.ask("hello").catch(() => {}); // the key is refused: what is said of that is looked at too
  const secrets = await it.client.list<{ metadata: { name: string }; data?: Record<string, string> }>(
    kinds.SECRET,
    "north",
  );
  const decoded = (data: Record<string, string> = {}, only: RegExp) =>
    Object.entries(data).flatMap(([key, value]) => (only.test(key) ? [Buffer.from(value, "base64").toString()] : []));
  const planted = [
    "sk-ant-test-north-1",
    "sk-ant-test-north-NEW2",
    "sk-ant-bad",
    it.admin.password,
    await readFile(join(keysDir, "first"), "utf8"),
    ...secrets.flatMap(({ data }) => decoded(data, /^(password|token|key-\d+)$/)),
  ];
  expect(planted.length).toBeGreaterThanOrEqual(7);
  const places = await everythingElse(agent);
  await agent.stop(0);
  expect(places.size).toBeGreaterThan(40);
  const leaks = [...places].flatMap(([place, text]) =>
    planted.flatMap((secret) =>
      [secret, Buffer.from(secret).toString("base64").replace(/=+$/, "")].some((form) => text.includes(form))
        ? [place]
        : [],
    ),
  );
  expect(leaks).toEqual([]);
}, 60_000);
