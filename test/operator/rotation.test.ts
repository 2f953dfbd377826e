import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { agentConfig } from "../../src/api/agent-config.ts";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";
import { loginWorks } from "../../src/database/login.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { TENANT } from "../../src/operator/caches.ts";
import { publishSecret } from "../../src/operator/tenant/publish-secret.ts";
import { type AgentProcess, startProcess } from "../runtime/agent-process.ts";
import { all, type World } from "../runtime/fixture.ts";
import { aTenant } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { holdUp } from "../support/gate.ts";
import { Kubelet } from "../support/kubelet.ts";
import { type OperatorHarness, startHarness } from "../support/operator-harness.ts";
import { type OperatorProcess, startOperatorProcess } from "../support/operator-process.ts";
import { SimulatedClaude } from "../support/simulated-claude/server.ts";

// Whole processes start here, again and again: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 180_000 });

let it: OperatorHarness;
let folder: string;
let operator: OperatorProcess;
let looker: Client;
const claude = new SimulatedClaude();
let claudeUrl: string;
const cleanUp: (() => Promise<unknown>)[] = [];

const startOperator = async (more: object = {}): Promise<void> => {
  const rotation = { startSeconds: 0 };
  const config = it.operatorConfig({ leaderElection: false });
  operator = await startOperatorProcess(
    { ...config, ...more, database: { ...config.database, rotation: { ...config.database.rotation, ...rotation } } },
    it.kubeconfig,
  );
};

beforeAll(async () => {
  it = await startHarness();
  folder = await mkdtemp(join(tmpdir(), "agentpg-rotation-"));
  claudeUrl = await claude.listen();
  looker = new Client(clientOptions(it.postgres.adminSettings(it.admin.database), "test"));
  await looker.connect();
  await startOperator();
}, 1_800_000);
afterEach(async () => {
  for (const step of cleanUp.splice(0).toReversed()) await step();
});
afterAll(async () => {
  await operator?.kill();
  await looker?.end();
  await claude.close();
  await it?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function readyTenant(name: string): Promise<void> {
  await it.prepareTenantNamespace(name, name);
  await it.apply(TENANT, aTenant(name));
  await it.condition("Tenant", name, "Ready", "True").catch((error: Error) => {
    throw new Error(`${error.message}\n${operator.output().slice(-3000)}`);
  });
}

interface Rotation {
  step: string;
  reason: string;
}
const status = async (name: string) =>
  ((await it.tenant(name)).status ?? {}) as {
    rotation?: Rotation;
    rotationRequest?: string;
    passwordChangedAt?: string;
    credentialsRevision?: string;
  };

const secretOf = async (namespace: string): Promise<Record<string, string>> => {
  const { data = {} } = await it.client.get<{ data?: Record<string, string> }>(
    kinds.SECRET,
    "agentpg-database",
    namespace,
  );
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]));
};

const login = async (namespace: string): Promise<ConnectionSettings> => {
  const { username = "", password = "" } = await secretOf(namespace);
  return { ...it.admin, user: username, password };
};
const isDead = async (one: ConnectionSettings) => (await loginWorks(one, one.user, one.password)).result !== "ok";

const ask = async (name: string, value: string): Promise<void> => {
  await it.client.mergePatch(TENANT, name, undefined, {
    metadata: { annotations: { "agentpg.dev/rotate-password": value } },
  });
};
const settled = (name: string, value: string) =>
  eventually(
    () => status(name),
    ({ rotation, rotationRequest }) => rotation === undefined && rotationRequest === value,
    60,
  ).catch((error: Error) => {
    throw new Error(`${error.message}\n${operator.output().slice(-3000)}`);
  });
const stepOf = async (name: string): Promise<string | undefined> => {
  const { rows } = await looker.query<{ step: string | null }>(
    "SELECT rotation->>'step' AS step FROM agentpg_operator.tenant WHERE tenant_name = $1",
    [name],
  );
  return rows[0]?.step ?? undefined;
};

/** A pod: its mounted Secret, and the real runtime over it. */
async function pod(tenant: string, delayMs = 500, stale?: Record<string, string>): Promise<AgentProcess> {
  const directory = join(folder, `${tenant}-${Math.random()}`);
  const secret = { name: "agentpg-database", namespace: tenant };
  const kubelet = await new Kubelet(it.client, secret, directory, delayMs).start(stale);
  const anthropic = new Kubelet(it.client, { name: "anthropic", namespace: tenant }, `${directory}-anthropic`, 0);
  await anthropic.start();
  const config = () =>
    agentConfig.parse({
      tenant: { name: tenant, uid: "uid", namespace: tenant },
      agent: { name: "support", uid: "agent-1" },
      model: "claude-sonnet-5-5",
      maxOutputTokens: 1024,
      limits: {},
      tools: [],
      tenantLimits: { runsPerMinute: 100_000, concurrentRuns: 500 },
      budget: {},
      access: { source: "none" },
      anthropicBaseUrl: claudeUrl,
    });
  const environment = () => ({
    AGENTPG_DATABASE_DIR: directory,
    AGENTPG_ANTHROPIC_DIR: `${directory}-anthropic`,
    AGENTPG_INSECURE_NO_AUTH: "true",
    AGENTPG_HOST: "127.0.0.1",
    AGENTPG_PORT: "0",
    AGENTPG_METRICS_PORT: "0",
    AGENTPG_LEASE_SECONDS: "2",
    AGENTPG_POD_NAME: directory.slice(-12),
  });
  const agent = await startProcess({ folder, config, environment } as unknown as World);
  cleanUp.push(() => Promise.all([kubelet.stop(), anthropic.stop()]));
  cleanUp.push(() => agent.end("SIGTERM"));
  return agent;
}

function stopper() {
  const controller = new AbortController();
  return { signal: controller.signal, stop: () => controller.abort() };
}

/** Conversations, one after another in each of so many lines; what failed. */
function converse({ client }: AgentProcess, lines = 4) {
  const failures: string[] = [];
  let runs = 0;
  const { signal, stop } = stopper();
  const line = async () => {
    while (!signal.aborted) {
      runs++;
      try {
        const session = await client.createSession();
        const end = (await all(client.run(session.id, "Hello"))).at(-1);
        if (end?.type !== "run.completed") failures.push(JSON.stringify(end));
        await client.messages(session.id);
      } catch (error) {
        failures.push(String(error));
      }
      await sleep(20);
    }
  };
  const done = Promise.all(Array.from({ length: lines }, line));
  cleanUp.push(async () => {
    stop();
    await done;
  });
  return {
    async end() {
      stop();
      await done;
      return { failures: failures.slice(0, 3), runs };
    },
  };
}

test("asked for by annotation, the password changes while agents work, once", async () => {
  await readyTenant("asked");
  const old = await login("asked");
  const agents = await Promise.all([pod("asked", 300), pod("asked", 2000)]);
  const loads = agents.map((agent) => converse(agent));
  await ask("asked", "one");
  const draining = await eventually(
    () => status("asked"),
    ({ rotation }) => rotation?.step === "Draining",
  );
  expect(draining.rotation).toMatchObject({ reason: "Requested" });
  expect(await isDead(old)).toBe(false);
  const { credentialsRevision } = await settled("asked", "one");
  expect(await isDead(old)).toBe(true);
  expect((await secretOf("asked"))["revision"]).toBe(credentialsRevision);
  for (const load of loads) {
    const { failures, runs } = await load.end();
    expect(failures).toEqual([]);
    expect(runs).toBeGreaterThan(20);
  }
  const { user } = await login("asked");
  await it.client.mergePatch(TENANT, "asked", undefined, { spec: { limits: { concurrentRuns: 49 } } });
  await eventually(
    () => it.tenant("asked"),
    (tenant) => tenant.status?.["observedGeneration"] === tenant.metadata.generation,
  );
  expect((await login("asked")).user).toBe(user);
});

/** Where the transaction that takes a step is held up, and what was done before it. */
const STEPS: [name: string, when: string, step: string | undefined, published: boolean][] = [
  ["before the idle login is open", "NEW.rotation->>'step' = 'opening' AND OLD.rotation IS NULL", undefined, false],
  ["when the password is published", "NEW.rotation->>'step' = 'draining'", "opening", true],
  ["before the old login is closed", "NEW.rotation->>'step' = 'closing'", "draining", true],
  ["when the old login is closed", "OLD.rotation->>'step' = 'closing' AND NEW.rotation IS NULL", "closing", true],
];

test("the operator killed at each step of a rotation, the next one ends it, and no run fails", async () => {
  await readyTenant("killed");
  const load = converse(await pod("killed"));
  for (const [name, when, step, published] of STEPS) {
    const before = await login("killed");
    const gate = await holdUp(looker, "agentpg_operator.tenant", when);
    await ask("killed", name);
    await gate.reached();
    await operator.kill();
    await gate.open();
    expect([name, await stepOf("killed"), (await login("killed")).user !== before.user]).toEqual([
      name,
      step,
      published,
    ]);
    await startOperator();
    await settled("killed", name);
    expect([name, await isDead(before), await isDead(await login("killed"))]).toEqual([name, true, false]);
  }
  const { failures, runs } = await load.end();
  expect(failures).toEqual([]);
  expect(runs).toBeGreaterThan(50);
}, 240_000);

test("the operator killed when the idle login is open and its password is only in its memory, the next one sets another", async () => {
  await readyTenant("forgotten");
  const load = converse(await pod("forgotten"));
  const opened = new Client(clientOptions(it.postgres.adminSettings(it.admin.database), "test"));
  await opened.connect();
  cleanUp.push(() => opened.end());
  await opened.query(
    `CREATE FUNCTION public.tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NOTIFY opened; RETURN NULL; END';
     CREATE TRIGGER tell AFTER UPDATE ON agentpg_operator.tenant FOR EACH ROW
       WHEN (NEW.rotation->>'step' = 'opening' AND OLD.rotation IS NULL) EXECUTE FUNCTION public.tell(); LISTEN opened`,
  );
  // The operator may be the faster one now and then.
  for (let attempt = 1, step: string | undefined; step !== "opening"; attempt++) {
    const before = await login("forgotten");
    const killed = new Promise<void>((resolve) => opened.once("notification", () => resolve(operator.kill())));
    await ask("forgotten", `attempt ${attempt}`);
    await killed;
    step = await stepOf("forgotten");
    expect(attempt).toBeLessThan(10);
    await startOperator();
    await settled("forgotten", `attempt ${attempt}`);
    expect([await isDead(before), await isDead(await login("forgotten"))]).toEqual([true, false]);
  }
  await opened.query("DROP TRIGGER tell ON agentpg_operator.tenant");
  expect((await load.end()).failures).toEqual([]);
}, 120_000);

test("a pod that starts with the old Secret in the middle of a rotation serves without a failed run", async () => {
  await readyTenant("late");
  const old = await login("late");
  const before = await secretOf("late");
  const first = await pod("late", 6000);
  const load = converse(first);
  await ask("late", "one");
  await eventually(
    () => status("late"),
    ({ rotation }) => rotation?.step === "Draining",
  );
  const second = converse(await pod("late", 3000, before)); // its kubelet has the Secret from before
  await settled("late", "one");
  expect(await isDead(old)).toBe(true);
  expect([(await load.end()).failures, (await second.end()).failures]).toEqual([[], []]);
});

test.each([
  ["deleted", () => it.client.delete(kinds.SECRET, "agentpg-database", "spoilt")],
  ["emptied", () => patchSecret({ username: "", password: "" })],
  ["half written", () => patchSecret({ password: "" })],
  ["given another password", () => patchSecret({ password: Buffer.from("made up").toString("base64") })],
])("a credentials Secret that is %s is rebuilt, never with an empty password, and no run fails", async (_, spoil) => {
  await readyTenant("spoilt");
  const load = converse(await pod("spoilt", 1500));
  const before = await login("spoilt");
  await spoil();
  const after = await eventually(
    () => login("spoilt"),
    ({ user, password }) => user !== before.user && password.length === 43,
  );
  expect(await isDead(after)).toBe(false);
  await eventually(
    () => status("spoilt"),
    ({ rotation, credentialsRevision }) => rotation === undefined && credentialsRevision !== undefined,
    60,
  );
  await eventually(() => isDead(before), Boolean);
  expect((await load.end()).failures).toEqual([]);
});

const patchSecret = (data: Record<string, string>) =>
  it.client.mergePatch(kinds.SECRET, "agentpg-database", "spoilt", { data });

test("a Secret that a newer leader wrote is not overwritten by an older one that read it before", async () => {
  await readyTenant("overtaken");
  const read = () => it.client.get<KubernetesObject>(kinds.SECRET, "agentpg-database", "overtaken");
  const before = await read();
  const labels = before.metadata.labels ?? {};
  const secretWith = (password: string) => {
    const metadata = { name: "agentpg-database", namespace: "overtaken", labels };
    return { kind: kinds.SECRET, object: { metadata, data: { password: Buffer.from(password).toString("base64") } } };
  };
  await operator.kill();
  await publishSecret(it.client, secretWith("newer"), before, "agentpg-tenant-controller");
  const late = publishSecret(it.client, secretWith("older"), before, "agentpg-tenant-controller");
  await expect(late).rejects.toThrow(/modified/);
  expect((await secretOf("overtaken"))["password"]).toBe("newer");
  await expect(publishSecret(it.client, secretWith("first"), undefined, "x")).rejects.toThrow(/modified/);
  await startOperator();
  await eventually(async () => !(await isDead(await login("overtaken"))), Boolean, 60);
});

test("a password that the tenant changed is set back within one resync, with an Event", async () => {
  await readyTenant("meddling");
  const published = await login("meddling");
  const client = new Client(clientOptions(published, "test"));
  await client.connect();
  await client.query("ALTER ROLE CURRENT_USER PASSWORD 'mine'");
  await client.end();
  await eventually(() => isDead({ ...published, password: "mine" }), Boolean, 15);
  expect(await isDead(published)).toBe(false);
  await eventually(
    () => it.client.list<{ reason: string; message: string }>(kinds.EVENT, "default"),
    (events) => events.some(({ reason, message }) => reason === "DriftRepaired" && message.includes(published.user)),
  );
});

test("a password that is too old is changed by itself", async () => {
  await readyTenant("aged");
  const old = await login("aged");
  await looker.query(
    "UPDATE agentpg_operator.tenant SET password_changed_at = now() - interval '31 days' WHERE tenant_name = 'aged'",
  );
  await eventually(() => isDead(old), Boolean, 30);
  const { passwordChangedAt = "" } = await eventually(
    () => status("aged"),
    ({ rotation }) => rotation === undefined,
  );
  expect(Date.now() - Date.parse(passwordChangedAt)).toBeLessThan(60_000);
});

async function agentpg(...args: string[]): Promise<{ code: number | null; out: string }> {
  const child = spawn(process.execPath, ["src/cli/main.ts", ...args, "--kubeconfig", it.kubeconfig]);
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (out += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, out };
}

test("`agentpg rotate` shows the steps and waits until it is done", async () => {
  await readyTenant("commanded");
  await pod("commanded", 3000);
  const old = await login("commanded");
  const { code, out } = await agentpg("rotate", "commanded", "--timeout", "45");
  expect(out).toMatch(/commanded +\d+ s +Draining: waits for pods that still use the old login/);
  expect(out).toMatch(/commanded +\d+ s +done: login b is in use/);
  expect([code, await isDead(old)]).toEqual([0, true]);
  expect(await agentpg("rotate", "nobody")).toMatchObject({
    code: 1,
    out: expect.stringContaining("no Tenant nobody"),
  });
  expect(await agentpg("rotate")).toMatchObject({ code: 1, out: expect.stringContaining("--all") });
});
