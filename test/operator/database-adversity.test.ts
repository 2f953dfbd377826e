import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { TENANT } from "../../src/operator/caches.ts";
import { aTenant } from "../support/builders.ts";
import { backUp } from "../support/backup.ts";
import { eventually } from "../support/eventually.ts";
import { startHarness, type OperatorHarness } from "../support/operator-harness.ts";
import { codeOfFailure, run } from "../database/fixture.ts";

let it: OperatorHarness;
beforeAll(async () => {
  it = await startHarness({ controllerManager: false }); // deletionPolicy Retain: nothing has to be collected
  await it.startOperator();
  for (const name of ["resting", "deleted"]) {
    await it.prepareTenantNamespace(name, name);
    await it.apply(TENANT, aTenant(name));
    await it.condition("Tenant", name, "Ready", "True");
  }
}, 1_800_000);
afterAll(async () => it?.stop());

const asSuperuser = (sql: string) => run(it.postgres.adminSettings(), sql);
const cutConnections = () =>
  asSuperuser(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${it.admin.database}'`);
const secretOf = (namespace: string) =>
  it.client.get<{ data: Record<string, string> }>(kinds.SECRET, "agentpg-database", namespace);
/** What a pod of the tenant would connect with. */
async function loginOf(namespace: string) {
  const { data } = await secretOf(namespace);
  const read = (key: string) => Buffer.from(data[key] ?? "", "base64").toString();
  return { ...it.admin, user: read("username"), password: read("password") };
}
const schemaOf = async (name: string) => (await it.tenant(name)).status?.["schema"];
const eventsOf = async (name: string, reason: string) =>
  (
    await it.client.list<
      { reason: string; message: string; involvedObject: { name: string } } & { metadata: { name: string } }
    >(kinds.EVENT, "default")
  ).filter((event) => event.involvedObject.name === name && event.reason === reason);
/** The program's own words, as a person at a terminal sees them. */
const status = () => {
  const { stdout, status: code } = spawnSync(
    process.execPath,
    ["src/cli/main.ts", "status", "--kubeconfig", it.kubeconfig],
    {
      encoding: "utf8",
    },
  );
  return { stdout, code };
};

/** What a database or its Secret can be, what the Tenant says of it, and how it is mended. */
const STATES: [
  what: string,
  begin: () => Promise<unknown>,
  end: () => Promise<unknown>,
  reason: string,
  says: RegExp,
][] = [
  [
    "a database that is read-only",
    async () => {
      await asSuperuser(`ALTER DATABASE ${it.admin.database} SET default_transaction_read_only = on`);
      await cutConnections();
    },
    async () => {
      await asSuperuser(`ALTER DATABASE ${it.admin.database} RESET default_transaction_read_only`);
      await cutConnections();
    },
    "DatabaseReadOnly",
    /set it to off/,
  ],
  [
    "a server without a free connection",
    async () => {
      await asSuperuser(`ALTER ROLE ${it.admin.user} CONNECTION LIMIT 0`);
      await cutConnections();
    },
    () => asSuperuser(`ALTER ROLE ${it.admin.user} CONNECTION LIMIT -1`),
    "DatabaseConnectionsExhausted",
    /raise max_connections/,
  ],
  [
    "a server that is stopped",
    () => it.postgres.halt(),
    () => it.postgres.restart(),
    "DatabaseUnreachable",
    /check host/,
  ],
  [
    "an admin Secret with a username and no password",
    () => it.setCredentials({ password: "" }),
    () => it.setCredentials({}),
    "DatabaseCredentialsMissing",
    /has no password/,
  ],
  [
    "an admin Secret with a CA that is no certificate",
    () => it.setCredentials({ ca: "garbage" }),
    () => it.setCredentials({}),
    "DatabaseTlsFailed",
    /ca\.crt/,
  ],
  [
    "a wrong admin password",
    () => it.setCredentials({ password: "wrong" }),
    () => it.setCredentials({}),
    "DatabaseAuthenticationFailed",
    /check user and password/,
  ],
];

describe.each(STATES)("%s", (_what, begin, end, reason, says) => {
  const late = `late-${reason.toLowerCase()}`;

  test("is a condition with its reason and remedy, loses nothing, and is over by itself", async () => {
    const before = { login: await loginOf("resting"), schema: await schemaOf("resting") };
    await it.prepareTenantNamespace(late, late);
    await begin();
    let mended = false;
    const mend = async () => {
      if (!mended) await end();
      mended = true;
    };
    try {
      await it.apply(TENANT, aTenant(late));
      for (const name of ["resting", late]) {
        const { message } = await it.condition("Tenant", name, "DatabaseReady", "False", reason, 45);
        expect(message).toMatch(says);
        expect(message).not.toContain(it.admin.password);
      }
      const shown = status();
      expect(shown.code).toBe(1);
      expect(shown.stdout).toMatch(new RegExp(`resting +False +${reason}`));
      await mend();
      for (const name of ["resting", late]) await it.condition("Tenant", name, "Ready", "True", undefined, 60);
    } finally {
      await mend();
    }
    expect({ login: await loginOf("resting"), schema: await schemaOf("resting") }).toEqual(before);
    await it.client.delete(TENANT, late, undefined);
  });
});

test("credentials that end in a newline are taken without it", async () => {
  await it.setCredentials({ username: `${it.admin.user}\n`, password: `${it.admin.password}\n` });
  await eventually(
    () => it.log.some((line) => line.includes("connecting anew")),
    (seen) => seen,
  );
  await it.condition("Tenant", "resting", "Ready", "True");
  await it.setCredentials({});
});

describe("a restore from an older backup", () => {
  test("is noticed; every Tenant is made whole, and one that was deleted stays closed", async () => {
    const deleted = await loginOf("deleted");
    const backup = await backUp(it.postgres);
    try {
      await it.prepareTenantNamespace("younger", "younger");
      await it.apply(TENANT, aTenant("younger"));
      await it.condition("Tenant", "younger", "Ready", "True", undefined, 60);
      const lostSchema = await schemaOf("younger");
      await it.client.delete(TENANT, "deleted", undefined);
      await eventually(
        () => it.client.list(TENANT),
        (all) => all.every(({ metadata }) => metadata.name !== "deleted"),
      );

      await it.stopOperator(); // its epoch is not in the backup: a running one ends, and is started again
      await backup.restore();
      await it.startOperator();
      await eventually(
        () => schemaOf("younger"),
        (schema) => typeof schema === "string" && schema !== lostSchema,
        60,
      );
      await it.condition("Tenant", "younger", "Ready", "True", undefined, 60);
      await it.condition("Tenant", "resting", "Ready", "True");
      for (const name of ["younger", "resting"])
        expect(await run(await loginOf(name), "SELECT count(*)::int AS n FROM sessions")).toEqual([{ n: 0 }]);
      const [said] = await eventually(
        () => eventsOf("younger", "DatabaseWentBack"),
        (events) => events.length > 0,
      );
      expect(said?.message).toMatch(new RegExp(`schema ${String(lostSchema)} .*restored from an older backup`));
      expect(await eventsOf("resting", "DatabaseWentBack")).toEqual([]);
      const [orphan] = await eventually(
        () => eventsOf("agentpg-system", "OrphanedClaimClosed"),
        (events) => events.length > 0,
      );
      expect(orphan?.message).toMatch(/Tenant deleted .*its logins are closed, its data stays/);
      expect(await codeOfFailure(run(deleted, "SELECT 1"))).not.toBe("no error");
      await it.apply(TENANT, aTenant("deleted"));
      const { message } = await it.condition("Tenant", "deleted", "DatabaseReady", "False", "RetainedByEarlierTenant");
      expect(message).toMatch(/agentpg\.dev\/adopt=true/);
    } finally {
      await backup.discard();
    }
  });

  test("under a leader that runs ends it, so that the next one takes an epoch of its own", async () => {
    const backup = await backUp(it.postgres);
    try {
      await it.stopOperator();
      const leader = await it.startOperator();
      await it.prepareTenantNamespace("last", "last");
      await it.apply(TENANT, aTenant("last"));
      await it.condition("Tenant", "last", "Ready", "True", undefined, 60);
      await backup.restore();
      expect(await leader.ended).toBe("lost");
      expect(it.log.join("")).toMatch(/restored from an older backup/);
      await it.startOperator();
      await it.condition("Tenant", "last", "Ready", "True", undefined, 60);
      await eventually(
        () => eventsOf("last", "DatabaseWentBack"),
        (events) => events.length > 0,
      );
    } finally {
      await backup.discard();
    }
  });
});

describe("a database that came back empty", () => {
  test("ends the leader; the next one makes every Tenant anew, and says so", async () => {
    await it.stopOperator();
    const leader = await it.startOperator();
    await it.prepareTenantNamespace("newest", "newest"); // it is Ready once this leader has written
    await it.apply(TENANT, aTenant("newest"));
    await it.condition("Tenant", "newest", "Ready", "True", undefined, 60);
    const lostSchema = await schemaOf("resting");
    await asSuperuser(`DROP DATABASE ${it.admin.database} WITH (FORCE)`);
    await asSuperuser(`CREATE DATABASE ${it.admin.database} OWNER ${it.admin.user}`);
    expect(await leader.ended).toBe("lost");
    expect(it.log.join("")).toMatch(/lost the operator's schema agentpg_operator: it came back empty/);
    await it.startOperator();
    await eventually(
      () => schemaOf("resting"),
      (schema) => typeof schema === "string" && schema !== lostSchema,
      60,
    );
    await it.condition("Tenant", "resting", "Ready", "True", undefined, 60);
    expect(await run(await loginOf("resting"), "SELECT count(*)::int AS n FROM sessions")).toEqual([{ n: 0 }]);
    const [said] = await eventually(
      () => eventsOf("resting", "DatabaseWentBack"),
      (events) => events.length > 0,
    );
    expect(said?.message).toContain(String(lostSchema));
  }, 120_000);
});
