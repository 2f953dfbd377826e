import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { request } from "node:http";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tenantDatabaseNames } from "../../src/api/names.ts";
import { type EraseWorld, eraseIn } from "../../src/cli/erase.ts";
import { writeExportFile } from "../../src/cli/export.ts";
import { callOperator } from "../../src/cli/operator-access.ts";
import { callOperation, NotTheLeader } from "../../src/cli/operator-client.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { TENANT } from "../../src/operator/caches.ts";
import { startOperator, type RunningOperator } from "../../src/operator/main.ts";
import { uuidv7 } from "../../src/runtime/uuid.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { withClient } from "../database/fixture.ts";
import { aTenant } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { startHarness, type OperatorHarness } from "../support/operator-harness.ts";

let it: OperatorHarness;
let operator: RunningOperator;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agentpg-admin-"));
  it = await startHarness({ controllerManager: false });
  operator = await it.startOperator();
  for (const name of ["acme", "globex"]) {
    await it.prepareTenantNamespace(name, name);
    await it.apply(TENANT, aTenant(name));
  }
  for (const name of ["acme", "globex"]) await it.condition("Tenant", name, "Ready", "True");
}, 1_800_000);
afterAll(async () => {
  await it?.stop();
  await rm(folder, { recursive: true, force: true });
});

const url = (path = "") => `http://127.0.0.1:${operator.adminPort}${path}`;
const ask = (name: string, input: object) => callOperation(url(), name, input);

/** As a superuser, in the tenant's schema. */
async function sql<Row extends object>(tenant: string, text: string, values: unknown[] = []): Promise<Row[]> {
  const schema = String((await it.tenant(tenant)).status?.["schema"]);
  return withClient(it.postgres.adminSettings(it.admin.database), async (client) => {
    await client.query(`SET search_path = ${tenantDatabaseNames(schema).schema}, pg_temp`);
    return (await client.query(text, values)).rows as Row[];
  });
}

/** A conversation of `user`, with nothing at work. */
async function aConversation(tenant: string, user: string, at = new Date()): Promise<string> {
  const [session, run] = [uuidv7(at.getTime()), uuidv7(at.getTime())];
  await sql(tenant, "INSERT INTO sessions (id, agent, user_id, created_at) VALUES ($1, 'support', $2, $3)", [
    session,
    user,
    at,
  ]);
  await sql(
    tenant,
    `INSERT INTO runs (id, session_id, agent, state, model, prompt, created_at, finished_at)
     VALUES ($1, $2, 'support', 'completed', 'claude', 'question', $3, $3)`,
    [run, session, at],
  );
  await sql(
    tenant,
    `INSERT INTO messages (session_id, seq, run_id, role, content) SELECT $1, n, $2, 'user', '[{"type":"text","text":"hello"}]' FROM generate_series(1, 3) n`,
    [session, run],
  );
  return session;
}

/** A request as it is on the wire. */
function raw(options: {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string;
  host?: string;
}): Promise<{ status: number; body: string }> {
  const {
    method = "POST",
    path = "/v1/operations/export",
    headers = {},
    body = '{"tenant":"acme"}',
    host = "127.0.0.1",
  } = options;
  return new Promise((resolve, reject) => {
    const sent = request(
      { host, port: operator.adminPort, method, path, headers: { "content-type": "application/json", ...headers } },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

const world = (more: Partial<EraseWorld> = {}): EraseWorld & { printed: string[] } => {
  const printed: string[] = [];
  return {
    ask,
    user: async () => "jane@example.com",
    confirm: async () => true,
    progress: silentProgress,
    print: (text) => void printed.push(text),
    printed,
    ...more,
  };
};

describe("the admin port", () => {
  test.each([
    ["a web page's request", { headers: { origin: "http://evil.example" } }, 403, /Origin/],
    ["a name that was rebound to 127.0.0.1", { headers: { host: "evil.example" } }, 403, /Host/],
    ["a form", { headers: { "content-type": "text/plain" } }, 415, /application\/json/],
    ["another method", { method: "GET" }, 405, /POST/],
    ["an unknown operation", { path: "/v1/operations/nothing" }, 404, /known are: .*erase/],
    ["another path", { path: "/" }, 404, /no such operation/],
    ["no JSON", { body: "{" }, 400, /not JSON/],
    ["an empty name", { body: '{"tenant":""}' }, 400, /tenant: /],
    ["a session that is no UUID", { body: '{"tenant":"acme","session":"x"}' }, 400, /session: must be a session's id/],
    ["a field that is not known", { body: '{"tenant":"acme","usr":"x"}' }, 400, /usr/],
    ["a body without end", { body: `{"tenant":"${"x".repeat(2 << 20)}"}` }, 413, /larger/],
  ])("refuses %s and says why", async (_what, options, status, detail) => {
    const answer = await raw(options);
    expect(answer.status).toBe(status);
    expect((JSON.parse(answer.body) as { detail: string }).detail).toMatch(detail);
  });

  test("cannot be reached from another address", async () => {
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((one) => one && !one.internal && one.family === "IPv4");
    if (!outside) return;
    await expect(raw({ host: outside.address })).rejects.toThrow(/ECONNREFUSED/);
  });

  test("of an operator that does not lead names the one that does", async () => {
    const standby = await startOperator({
      config: it.operatorConfig(),
      kubeconfig: it.kubeconfig,
      logger: silentLogger,
      migrationsDir: join(import.meta.dirname, "../../migrations"),
    });
    try {
      const lease = await it.client.get<{ spec: { holderIdentity: string } }>(
        kinds.LEASE,
        "agentpg-operator",
        "agentpg-system",
      );
      const lines = callOperation(`http://127.0.0.1:${standby.adminPort}`, "export", { tenant: "acme" });
      const error = (await lines.next().catch((failure: unknown) => failure)) as Error;
      expect(error).toBeInstanceOf(NotTheLeader);
      expect(error.message).toContain(lease.spec.holderIdentity);
    } finally {
      await standby.stop();
    }
  });

  test.each([
    ["where no operator is", { operatorNamespace: "default" }, /--operator-namespace/],
    [
      "through a context that is not there",
      { operatorNamespace: "agentpg-system", context: "moon" },
      /no context moon/,
    ],
    ["whose pod cannot be reached", { operatorNamespace: "agentpg-system" }, /auth can-i create pods\/portforward/],
  ])("asked by the CLI %s, the error says what to do", async (_what, access, message) => {
    const lines = callOperator({ kubeconfig: it.kubeconfig, ...access }, "export", { tenant: "acme" });
    await expect(lines.next()).rejects.toThrow(message);
  });
});

describe("agentpg erase", () => {
  test("counts, asks, and erases the user, in this tenant only", async () => {
    const mine = await aConversation("acme", "ann@example.com");
    const other = await aConversation("globex", "ann@example.com");
    const asked: string[] = [];
    const here = world({ confirm: async (question) => asked.push(question) > 0 });
    expect(await eraseIn(here, { tenant: "acme", user: "ann@example.com" })).toBe(0);
    expect(asked).toEqual(["Erase user ann@example.com of Tenant acme? It cannot be brought back."]);
    expect(JSON.parse(here.printed[0] ?? "")).toMatchObject({
      erased: { removed: { sessions: 1, runs: 1, messages: 3 } },
    });
    expect(await sql("acme", "SELECT FROM sessions WHERE id = $1", [mine])).toHaveLength(0);
    expect(await sql("globex", "SELECT FROM sessions WHERE id = $1", [other])).toHaveLength(1);
    const [told] = await sql<{ record: string }>("acme", "SELECT record FROM audit ORDER BY seq DESC LIMIT 1");
    expect(JSON.parse(told?.record ?? "")).toMatchObject({ action: "data.erasure.completed", by: "jane@example.com" });
    expect(told?.record).not.toContain("ann@example.com");
  });

  test("erases nothing when it is told no, when there is nobody to ask, or when it only counts", async () => {
    const session = await aConversation("acme", "carl");
    expect(await eraseIn(world({ confirm: async () => false }), { tenant: "acme", session })).toBe(1);
    await expect(eraseIn(world({ confirm: undefined }), { tenant: "acme", session })).rejects.toThrow(/--yes/);
    const counting = world();
    expect(await eraseIn(counting, { tenant: "acme", session, dryRun: true })).toBe(0);
    expect(JSON.parse(counting.printed[0] ?? "")).toMatchObject({ found: { sessions: 1, messages: 3 } });
    expect(await sql("acme", "SELECT FROM messages WHERE session_id = $1", [session])).toHaveLength(3);
  });

  test.each([
    ["without a tenant", {}, /--tenant/],
    ["of a whole tenant", { tenant: "acme" }, /deletionPolicy/],
    ["of both at once", { tenant: "acme", session: randomUUID(), user: "ann" }, /either session or user/],
    ["of a tenant that is not there", { tenant: "nobody", user: "ann" }, /no Tenant "nobody"/],
    ["of what is not retained", { retained: "acme", confirm: "acme" }, /retained are: none/],
    ["of retained data, unconfirmed", { retained: "acme" }, /--confirm acme/],
  ])("%s says what to do", async (_what, options, message) => {
    await expect((async () => eraseIn(world(), options))()).rejects.toThrow(message);
  });
});

describe("agentpg export", () => {
  test("writes a file that is whole, for its owner only", async () => {
    const session = await aConversation("globex", "dora");
    const path = join(folder, "globex.jsonl");
    await writeExportFile(ask("export", { tenant: "globex" }), path, silentProgress);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const lines = (await readFile(path, "utf8"))
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text) as { type: string; id?: string });
    expect(lines[0]).toMatchObject({ type: "export", tenant: { name: "globex" } });
    expect(lines.filter((one) => one.type === "session").map((one) => one.id)).toContain(session);
    expect(lines.at(-1)).toMatchObject({ type: "end" });
  });

  test("leaves no file when lines are missing or were changed", async () => {
    await aConversation("globex", "emil");
    const path = join(folder, "broken.jsonl");
    const without = async function* () {
      for await (const line of ask("export", { tenant: "globex" }))
        if (line["role"] !== "user" || line["seq"] !== 2) yield line;
    };
    const changed = async function* () {
      for await (const line of ask("export", { tenant: "globex" }))
        yield line["type"] === "message" ? { ...line, content: "x" } : line;
    };
    for (const lines of [without(), changed()])
      await expect(writeExportFile(lines, path, silentProgress)).rejects.toThrow(/not whole/);
    expect((await readdir(folder)).filter((name) => name.startsWith("broken"))).toEqual([]);
  });

  test("that is broken off ends at the operator too", async () => {
    for await (const _line of ask("export", { tenant: "globex" })) break;
    await eventually(
      () =>
        withClient(it.postgres.adminSettings(), (client) =>
          client.query("SELECT FROM pg_stat_activity WHERE state LIKE 'idle in trans%'"),
        ),
      ({ rows }) => rows.length === 0,
    );
  });
});

describe("retention", () => {
  const events = () =>
    it.client.list<{ reason: string; message: string; involvedObject: { name: string } }>(kinds.EVENT, "default");

  test("removes what is too old soon after a start, and says so in status, metrics and audit log", async () => {
    const old = await aConversation("acme", "ann", new Date(Date.now() - 100 * 86_400_000));
    const young = await aConversation("acme", "ann");
    await it.stopOperator();
    operator = await it.startOperator({ retention: { firstAfterSeconds: 1 } });
    const { status } = await eventually(
      () => it.tenant("acme"),
      (tenant) => tenant.status?.["retention"] !== undefined,
    );
    expect(status?.["retention"]).toMatchObject({ removed: { sessions: 1, runs: 1, messages: 3 } });
    expect(await sql("acme", "SELECT id FROM sessions WHERE id = ANY($1)", [[old, young]])).toEqual([{ id: young }]);
    const metrics = await operator.metrics.metrics();
    expect(metrics).toMatch(/agentpg_retention_rows_removed_total\{kind="messages"\} 3/);
    expect(metrics).toMatch(/agentpg_retention_last_success_timestamp_seconds\{tenant="acme"\} 1\d{9}/);
    expect((await events()).some((one) => one.reason === "RetentionFailed")).toBe(false);
  });

  test("is not repeated by a restart", async () => {
    const before = (await it.tenant("acme")).status?.["retention"];
    await aConversation("acme", "ann", new Date(Date.now() - 100 * 86_400_000));
    await it.stopOperator();
    operator = await it.startOperator({ retention: { firstAfterSeconds: 0 } });
    // A Tenant that never had a run has one at once: by then the others were looked at too.
    await it.prepareTenantNamespace("initech", "initech");
    await it.apply(TENANT, aTenant("initech"));
    await eventually(
      () => it.tenant("initech"),
      (tenant) => tenant.status?.["retention"] !== undefined,
    );
    expect((await it.tenant("acme")).status?.["retention"]).toEqual(before);
  });

  test("that finds the audit log tampered with is an Event, and a metric", async () => {
    const at = new Date(Date.now() - 400 * 86_400_000);
    await sql("globex", "INSERT INTO audit (seq, at, prev_hash, hash, record) VALUES (1, $1, '\\x00', '\\x00', '{}')", [
      at,
    ]);
    await it.stopOperator();
    await withClient(it.postgres.adminSettings(it.admin.database), (client) =>
      client.query("DELETE FROM agentpg_operator.retention"),
    );
    operator = await it.startOperator({ retention: { firstAfterSeconds: 0 } });
    const list = await eventually(events, (all) => all.some((one) => one.reason === "RetentionFailed"));
    expect(list.find((one) => one.reason === "RetentionFailed")).toMatchObject({
      message: expect.stringMatching(/audit log of Tenant globex was tampered with/) as string,
      involvedObject: { name: "globex" },
    });
    expect(await operator.metrics.metrics()).toMatch(/agentpg_retention_failures_total 1/);
  });
});

test("what a deleted Tenant left is there until it is purged", async () => {
  const schema = String((await it.tenant("globex")).status?.["schema"]);
  await it.client.delete(TENANT, "globex");
  await eventually(
    () => it.client.list<{ metadata: { name: string } }>(TENANT),
    (all) => all.every(({ metadata }) => metadata.name !== "globex"),
  );
  const left = () =>
    withClient(
      it.postgres.adminSettings(it.admin.database),
      async (client) => (await client.query("SELECT FROM pg_namespace WHERE nspname = $1", [schema])).rows.length,
    );
  expect(await left()).toBe(1);
  const here = world();
  expect(await eraseIn(here, { retained: "globex", confirm: "globex" })).toBe(0);
  expect(JSON.parse(here.printed[0] ?? "")).toMatchObject({ purged: { name: "globex", schema } });
  expect(await left()).toBe(0);
});
