// Two Postgres servers, one operator: where Tenants go, that they stay there, and that a server that is down is nobody else's trouble.
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";
import { loginWorks } from "../../src/database/login.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import type { RunningOperator } from "../../src/operator/main.ts";
import { anAgent, aTenant } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { conditionOf, type OperatorHarness, startHarness } from "../support/operator-harness.ts";
import { startOperatorProcess } from "../support/operator-process.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const PEERS = { default: "203.0.113.1/32", second: "203.0.113.2/32" };

const SPREAD = ["spread-1", "spread-2", "spread-3", "spread-4"];

let it: OperatorHarness;
let second: TestPostgres;
let secondAdmin: ConnectionSettings;
let folder: string;
let operator: RunningOperator;

interface Servers {
  default?: object;
  second?: object;
}

const servers = (more: Servers = {}) => ({
  leaderElection: false,
  database: {
    ...it.operatorConfig().database,
    peers: [{ ipBlock: { cidr: PEERS.default } }],
    ...more.default,
  },
  databases: [
    {
      server: "second",
      host: secondAdmin.host,
      port: secondAdmin.port,
      name: secondAdmin.database,
      credentialsDir: folder,
      peers: [{ ipBlock: { cidr: PEERS.second } }],
      ...more.second,
    },
  ],
});

const start = async (more: object = servers()): Promise<RunningOperator> => {
  operator = await it.startOperator(more);
  await eventually(operator.leading, Boolean);
  return operator;
};
const restart = async (more?: object) => {
  await (operator as RunningOperator | undefined)?.stop();
  return start(more);
};

beforeAll(async () => {
  [it, second, folder] = await Promise.all([
    startHarness(),
    startPostgres(),
    mkdtemp(join(tmpdir(), "agentpg-second-")),
  ]);
  secondAdmin = await second.createOperatorRole();
  const files = { username: secondAdmin.user, password: secondAdmin.password, "ca.crt": second.ca };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
}, 1_800_000);
afterAll(async () => {
  await operator?.stop();
  await it?.stop();
  await second?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** What a server has of the operator's Tenants: their names, and the schemas that there are. */
async function inventory(
  server: "default" | "second",
): Promise<{ tenants: string[]; uids: string[]; schemas: number }> {
  const settings =
    server === "default" ? it.postgres.adminSettings(it.admin.database) : second.adminSettings(secondAdmin.database);
  const client = new Client(clientOptions(settings, "test"));
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; uid: string; found: boolean }>(
      `SELECT tenant_name AS name, tenant_uid AS uid, EXISTS (SELECT FROM pg_namespace WHERE nspname = id) AS found
         FROM agentpg_operator.tenant ORDER BY 1`,
    );
    const schemas = await client.query("SELECT FROM pg_namespace WHERE nspname ~ '^t_[0-9a-f]{12}$'");
    return { tenants: rows.map((row) => row.name), uids: rows.map((row) => row.uid), schemas: schemas.rows.length };
  } finally {
    await client.end();
  }
}

const create = async (name: string, spec: object = {}) => {
  await it.prepareTenantNamespace(name, name);
  await it.apply(TENANT, aTenant(name, spec as Record<string, unknown>));
};
/** A way to a server that can be made to swallow everything. */
async function startRelay(port: number) {
  let frozen = false;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connectTcp(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk) => void (!frozen && to.write(chunk)));
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    freeze() {
      frozen = true;
    },
    async close() {
      for (const it of sockets) it.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

const on = (server: string) => ({ database: { server } });
const ready = (name: string) => it.condition("Tenant", name, "Ready", "True");
const serverOf = async (name: string) =>
  ((await it.tenant(name)).status?.["database"] as { server?: string } | undefined)?.server;
const remove = async (name: string) => {
  await it.client.delete(TENANT, name);
  await eventually(
    async () => (await it.client.list(TENANT)).map(({ metadata }) => metadata.name),
    (names) => !names.includes(name),
  );
};
/** An admin operation's answer, line by line. */
const ask = async (operation: string, input: object): Promise<Record<string, unknown>[]> => {
  const answer = await fetch(`http://127.0.0.1:${operator.adminPort}/v1/operations/${operation}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(input),
  });
  const lines = (await answer.text()).trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
};
/** As after a restore of the API server from an older backup. */
const loseStatus = (name: string) =>
  it.client.mergePatch(
    TENANT,
    name,
    undefined,
    { status: { database: null, schema: null, schemaVersion: null, conditions: null, credentialsRevision: null } },
    "status",
  );
const secretOf = async (namespace: string) => {
  const { data } = await it.client.get<{ data: Record<string, string> }>(kinds.SECRET, "agentpg-database", namespace);
  return (name: string) => Buffer.from(data[name] ?? "", "base64").toString();
};

describe("with a second server beside the first", () => {
  beforeAll(async () => {
    await start({ leaderElection: false });
    await create("old");
    await ready("old");
    await operator.stop();
    // As an operator left it that knew of one server only.
    await it.client.mergePatch(TENANT, "old", undefined, { status: { database: null } }, "status");
    await start();
  });

  test("a Tenant from before there were several is on the first, and stays", async () => {
    const { schema } = (await it.tenant("old")).status ?? {};
    await eventually(
      () => serverOf("old"),
      (server) => server === "default",
    );
    await ready("old");
    expect((await it.tenant("old")).status?.["schema"]).toBe(schema);
    expect((await inventory("second")).tenants).toEqual([]);
  });

  test("a named server is taken, the others are spread by load, and each Tenant is on one", async () => {
    await create("named", on("second"));
    await ready("named");
    for (const name of SPREAD) await create(name);
    for (const name of SPREAD) await ready(name);
    const [first, other] = [await inventory("default"), await inventory("second")];
    expect([first.tenants.length, other.tenants.length]).toEqual([3, 3]);
    expect(other.tenants).toContain("named");
    expect(first.tenants.filter((name) => other.tenants.includes(name))).toEqual([]);
    expect([first.schemas, other.schemas]).toEqual([3, 3]);
    const metrics = await operator.metrics.metrics();
    expect(metrics).toContain('agentpg_database_tenants{server="second"} 3');
    expect(metrics).toContain('agentpg_database_up{server="second"} 1');
    expect(metrics).toContain('agentpg_tenant_migrations{server="second",state="current"} 3');
  });

  test("its pods are told of its own server only, may reach that one only, and their login is nobody on the other", async () => {
    await it.apply(AGENT, anAgent("named", "support"));
    await it.apply(AGENT, anAgent("old", "support"));
    const egress = async (namespace: string) => {
      const policy = await eventually(
        () => it.client.get<{ spec: { egress: object[] } }>(kinds.NETWORK_POLICY, "agent-support", namespace),
        () => true,
      );
      return JSON.stringify(policy.spec.egress);
    };
    expect(await egress("named")).toContain(PEERS.second);
    expect(await egress("named")).not.toContain(PEERS.default);
    expect(await egress("old")).toContain(PEERS.default);
    expect(await egress("old")).not.toContain(PEERS.second);
    const file = await secretOf("named");
    expect([file("port"), file("dbname"), file("ca.crt")]).toEqual([
      String(second.port),
      secondAdmin.database,
      second.ca.trim(),
    ]);
    const here = { ...secondAdmin, tls: { ca: second.ca } };
    const there = { ...it.admin, tls: { ca: it.postgres.ca } };
    const login = (where: ConnectionSettings) => loginWorks(where, file("username"), file("password"));
    expect(await login(here)).toEqual({ result: "ok" });
    expect(await login(there)).toEqual({ result: "wrong password" }); // what Postgres says of a role that there is not, too
  });

  test("an unknown server is refused with the known names; the Tenant goes on once it names one of them, and never moves", async () => {
    await create("typo", on("secnd"));
    const { message } = await it.condition("Tenant", "typo", "DatabaseReady", "False", "DatabaseServerUnknown");
    expect(message).toContain("known are: default, second");
    const name = (server: string | null) =>
      it.client.mergePatch(TENANT, "typo", undefined, { spec: { database: { server } } });
    await name("second");
    await ready("typo");
    await expect(name("default")).rejects.toThrow(/spec\.database\.server.*stays there/);
    await name(null);
    await expect(name("default")).rejects.toThrow(/spec\.database\.server.*stays there/);
    await name("second");
    expect(await serverOf("typo")).toBe("second");
    await remove("typo");
  });

  test("the security checks try the tenant's login on its own server, and retention and the audit log are of that server too", async () => {
    const soon = { firstAfterSeconds: 0 };
    await restart({
      ...servers(),
      securityChecks: { ...soon, intervalSeconds: 1, loginSeconds: 1 },
      retention: { ...soon, intervalSeconds: 60 },
    });
    for (const name of ["named", "old"]) {
      const status = async () => (await it.tenant(name)).status ?? {};
      const rows = async () => ((await status())["securityChecks"] ?? []) as { name: string; reason: string }[];
      const reasonOf = async (row: string) => (await rows()).find(({ name: own }) => own === row)?.reason;
      await eventually(
        () => reasonOf("CrossTenantRefused"),
        (reason) => reason === "Refused",
      );
      await eventually(
        async () => (await status())["retention"],
        (ran) => ran !== undefined,
      );
      const [verified] = (await ask("audit-verify", { tenant: name })).slice(-2);
      expect(verified).toMatchObject({ verified: { tenant: name, faultCount: 0 } });
      const exported = await ask("export", { tenant: name });
      expect(exported.at(-1)).toEqual({ done: true });
    }
  });

  test("a Tenant whose status is lost is found in the registry, whatever its load says", async () => {
    const { schema } = (await it.tenant("named")).status ?? {};
    await operator.stop();
    await loseStatus("named");
    await it.client.mergePatch(TENANT, "named", undefined, { spec: { database: { server: null } } });
    await start(servers({ default: { weight: 1000 } }));
    await ready("named");
    expect(await serverOf("named")).toBe("second");
    expect((await it.tenant("named")).status?.["schema"]).toBe(schema);
    expect((await inventory("default")).tenants).not.toContain("named");
  });

  test("a server that is drained keeps its Tenants and takes no new ones", async () => {
    await restart(servers({ default: { maxTenants: 0 }, second: { acceptsNew: false } }));
    await create("late", on("second"));
    await it.condition("Tenant", "late", "DatabaseReady", "False", "DatabaseServerDraining");
    await create("later");
    const { message } = await it.condition("Tenant", "later", "DatabaseReady", "False", "NoDatabaseServer");
    expect(message).toMatch(/default has \d+ Tenants.*second takes no new Tenants/);
    await restart(servers({ second: { acceptsNew: false } }));
    await ready("later");
    expect(await serverOf("later")).toBe("default");
    await ready("named");
    await remove("late");
    await restart();
  });

  describe("while the second is down", () => {
    beforeAll(async () => {
      await operator.stop();
      for (const name of SPREAD) await loseStatus(name);
      await second.halt();
      await start();
    });

    test("its Tenants say so and name it, the others are ready, and a new one goes to the other", async () => {
      const { message } = await it.condition("Tenant", "named", "DatabaseReady", "False", "DatabaseUnreachable");
      expect(message).toMatch(/^database server second: /);
      await it.client.mergePatch(TENANT, "old", undefined, { spec: { database: { connectionLimit: 41 } } });
      await create("fresh");
      await ready("fresh");
      expect(await serverOf("fresh")).toBe("default");
      await eventually(
        async () => conditionOf(await it.tenant("old"), "DatabaseReady"),
        (condition) => condition?.status === "True",
      );
      expect(await operator.metrics.metrics()).toContain('agentpg_database_up{server="second"} 0');
    });

    test("one that may have its data there waits, and one whose data is found elsewhere does not", async () => {
      const homes = await inventory("default");
      const found = SPREAD.filter((name) => homes.tenants.includes(name));
      const held = SPREAD.filter((name) => !homes.tenants.includes(name));
      expect([found.length, held.length]).toEqual([2, 2]);
      for (const name of found) {
        await ready(name);
        expect(await serverOf(name)).toBe("default");
      }
      for (const name of held) {
        const { message } = await it.condition("Tenant", name, "DatabaseReady", "False", "PlacementHeld");
        expect(message).toContain("second cannot be asked");
        expect(await serverOf(name)).toBeUndefined();
      }
    });

    test("the rollout of the other is told, and a deletion on it is held", async () => {
      const lines = await ask("migration-status", {});
      expect(lines[0]).toMatchObject({ server: "default", phase: "complete" });
      expect(lines[1]).toMatchObject({ server: "second", unreachable: expect.stringContaining("server second") });
      await it.client.delete(TENANT, "named");
      const { message } = await it.condition("Tenant", "named", "DeletionBlocked", "True", "DatabaseUnreachable");
      expect(message).toContain("database server second");
    });

    test("when it is back, all go on where they were, and the deletion closes the logins there", async () => {
      await second.restart();
      for (const name of SPREAD) await ready(name);
      await eventually(
        async () => (await it.client.list(TENANT)).map(({ metadata }) => metadata.name),
        (names) => !names.includes("named"),
      );
      const [first, other] = [await inventory("default"), await inventory("second")];
      expect(first.tenants.filter((name) => other.tenants.includes(name))).toEqual([]);
      expect(other.tenants).toContain("named"); // retained, with its data
      await create("named");
      const { message } = await it.condition("Tenant", "named", "DatabaseReady", "False", "RetainedByEarlierTenant");
      expect(message).toContain("database server second");
      await remove("named");
      expect(await ask("purge-retained", { retained: "named", confirm: "named" })).toContainEqual({ done: true });
      expect((await inventory("second")).tenants).not.toContain("named");
      const [nothing] = await ask("purge-retained", { retained: "named", confirm: "named" });
      expect(nothing).toMatchObject({ error: { reason: "NothingRetained" } });
    });
  });
});

test("a server that accepts connections and answers nothing holds up its own Tenants only", async () => {
  const relay = await startRelay(secondAdmin.port);
  try {
    await restart({ ...servers({ second: { port: relay.port } }), concurrency: 4 });
    const theirs = ["hung-1", "hung-2", "hung-3", "hung-4", "hung-5", "hung-6"];
    for (const name of theirs) await create(name, on("second"));
    for (const name of theirs) await ready(name);
    relay.freeze();
    // More of them than the operator has workers, again and again; the others are served meanwhile.
    for (const round of [1, 2, 3]) {
      for (const name of theirs)
        await it.client.mergePatch(TENANT, name, undefined, { spec: { database: { connectionLimit: 60 + round } } });
      const name = `beside-${round}`;
      await create(name, on("default"));
      await ready(name);
    }
    for (const name of theirs) await it.condition("Tenant", name, "DatabaseReady", "False", "DatabaseUnreachable", 70);
  } finally {
    await relay.close();
  }
}, 120_000);

describe("killed at any step of the placement", () => {
  /** Which server the operator would choose, if it chose anew. */
  const prefer = (server: "default" | "second") => servers({ [server]: { weight: 1000 } });

  const homesOf = async (name: string) => {
    const { uid = "" } = (await it.tenant(name)).metadata;
    const found = await Promise.all(
      (["default", "second"] as const).map(async (server) => [server, await inventory(server)] as const),
    );
    return found.flatMap(([server, { uids }]) => (uids.includes(uid) ? [server] : []));
  };
  const oneHome = async (name: string) => {
    await ready(name);
    const homes = await homesOf(name);
    expect(homes, name).toEqual([await serverOf(name)]);
    const [first, other] = [await inventory("default"), await inventory("second")];
    expect(first.schemas, name).toBe(first.tenants.length);
    expect(other.schemas, name).toBe(other.tenants.length);
  };

  /** The operator ends after so many writes in the making of a Tenant; false: it needed no more. */
  async function killedBefore(name: string, writes: number): Promise<boolean> {
    let left = writes;
    let blocked = false;
    operator.client.beforeWrite = () => {
      if (left-- > 0) return;
      blocked = true;
      throw new Error("killed");
    };
    await create(name);
    const isDone = async () => conditionOf(await it.tenant(name), "Ready")?.status === "True";
    await eventually(async () => blocked || (await isDone()), Boolean);
    await operator.stop();
    return blocked;
  }

  test("before each of its writes to the API server, a Tenant gets one home", async () => {
    let writes = -1;
    let blocked: boolean;
    do {
      writes += writes < 8 ? 1 : 3; // the first are the finalizer, the record and the namespace; what comes later is much the same
      const name = `kill-${writes}`;
      await restart(prefer("default"));
      blocked = await killedBefore(name, writes);
      if (writes % 2 === 1) await loseStatus(name);
      await start(prefer("second"));
      await oneHome(name);
      if (blocked) await remove(name);
    } while (blocked);
    expect(writes).toBeGreaterThan(8);
  }, 180_000);

  test.each([
    ["before its claim is committed", "INSERT", "true"],
    ["after its claim, before its first migration is", "UPDATE", "NEW.schema_version > OLD.schema_version"],
  ])(
    "by SIGKILL %s, it keeps its home, with and without its status",
    async (when, event, condition) => {
      await operator.stop();
      for (const status of ["kept", "lost"]) {
        const name = `${event.toLowerCase()}-${status}`;
        const looker = new Client(clientOptions(it.postgres.adminSettings(it.admin.database), "test"));
        await looker.connect();
        await looker.query("SELECT pg_advisory_lock(4711)");
        await looker.query(
          `CREATE OR REPLACE FUNCTION public.test_gate() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END';
         CREATE TRIGGER test_gate BEFORE ${event} ON agentpg_operator.tenant FOR EACH ROW WHEN (${condition}) EXECUTE FUNCTION public.test_gate()`,
        );
        const process = await startOperatorProcess(it.operatorConfig(prefer("default")), it.kubeconfig);
        await create(name);
        await eventually(
          async () =>
            (await looker.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"))
              .rowCount,
          (waiting) => (waiting ?? 0) > 0,
          60,
        );
        await process.kill();
        expect(await serverOf(name), when).toBe("default"); // recorded before anything was on the server
        await looker.query("SELECT pg_advisory_unlock(4711)");
        await looker.query("DROP TRIGGER test_gate ON agentpg_operator.tenant");
        await looker.end();
        if (status === "lost") await loseStatus(name);
        await start(prefer("second"));
        await oneHome(name);
        // Only where nothing tells of the choice any more may another be made.
        const isForgotten = status === "lost" && event === "INSERT";
        expect(await serverOf(name)).toBe(isForgotten ? "second" : "default");
        await operator.stop();
      }
      await start();
    },
    120_000,
  );
});
