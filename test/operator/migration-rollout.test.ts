import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { callOperation } from "../../src/cli/operator-client.ts";
import { clientOptions } from "../../src/database/connection.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import { TENANT } from "../../src/operator/caches.ts";
import type { RunningOperator } from "../../src/operator/main.ts";
import { aTenant } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { startHarness, type OperatorHarness } from "../support/operator-harness.ts";

const MIGRATIONS = join(import.meta.dirname, "../../migrations");
let it: OperatorHarness;
let superuser: Client;
/** The program's migrations and one more. */
let nextVersion: string;
let newest: number;

beforeAll(async () => {
  it = await startHarness({ controllerManager: false });
  superuser = new Client(clientOptions(it.postgres.adminSettings(it.admin.database), "test"));
  await superuser.connect();
  nextVersion = await mkdtemp(join(tmpdir(), "agentpg-migrations-"));
  await cp(MIGRATIONS, nextVersion, { recursive: true });
  newest = (await readdir(nextVersion)).length + 1;
  await writeFile(
    join(nextVersion, `${String(newest).padStart(4, "0")}_rule.sql`),
    "ALTER TABLE sessions ADD CONSTRAINT no_poison CHECK (user_id <> 'poison');",
  );
}, 1_800_000);
afterAll(async () => {
  await superuser?.end();
  await it?.stop();
  await rm(nextVersion, { recursive: true, force: true });
});

const schemaOf = async (name: string) => String((await it.tenant(name)).status?.["schema"]);
const versionOf = async (name: string) => (await it.tenant(name)).status?.["schemaVersion"];
const ask = async (operator: RunningOperator, operation: string) => {
  const lines: Record<string, unknown>[] = [];
  for await (const line of callOperation(`http://127.0.0.1:${operator.adminPort}`, operation, {})) lines.push(line);
  return lines;
};

test("a new version migrates the canary first, isolates who fails, and everybody serves all the while", async () => {
  await it.startOperator();
  const names = ["alpha", "beta", "gamma"];
  for (const name of names) {
    await it.prepareTenantNamespace(name, name);
    await it.apply(TENANT, aTenant(name));
  }
  for (const name of names) await it.condition("Tenant", name, "Ready", "True");
  await it.stopOperator();
  await it.client.mergePatch(TENANT, "beta", undefined, { metadata: { labels: { "agentpg.dev/canary": "true" } } });
  await superuser.query(
    `INSERT INTO ${await schemaOf("gamma")}.sessions (id, agent, user_id) VALUES (gen_random_uuid(), 'a', 'poison')`,
  );
  await superuser.query(`BEGIN; SELECT FROM ${await schemaOf("beta")}.sessions`);

  const operator = await it.startOperator({ migrationsDir: nextVersion });
  const waiting = await it.condition("Tenant", "alpha", "MigrationsCurrent", "False", "WaitingForCanary");
  expect(waiting.message).toContain("beta");
  await it.condition("Tenant", "beta", "MigrationsCurrent", "False", "MigrationBlocked");
  const trials = await ask(operator, "migration-dry-run");
  expect(trials).toContainEqual(
    expect.objectContaining({ tenant: "alpha", outcome: "would migrate", from: newest - 1, to: newest }),
  );
  expect(trials).toContainEqual(expect.objectContaining({ tenant: "gamma", outcome: "would fail" }));
  for (const name of names) {
    await it.condition("Tenant", name, "Ready", "True");
    expect(await versionOf(name)).toBe(newest - 1);
  }

  await superuser.query("COMMIT");
  await it.condition("Tenant", "beta", "MigrationsCurrent", "True");
  await it.condition("Tenant", "alpha", "MigrationsCurrent", "True");
  const failed = await it.condition("Tenant", "gamma", "MigrationsCurrent", "False", "MigrationFailed");
  expect(failed.message).toContain("no_poison");
  await it.condition("Tenant", "gamma", "Ready", "True");
  expect(await Promise.all(names.map(versionOf))).toEqual([newest, newest, newest - 1]);
  await eventually(
    () => it.client.list<{ reason: string; involvedObject: { name: string } }>(kinds.EVENT, "default"),
    (events) => events.some((one) => one.reason === "MigrationFailed" && one.involvedObject.name === "gamma"),
  );

  expect(await ask(operator, "migration-pause")).toMatchObject([
    { phase: "paused", tenants: { current: 2, failed: 1 } },
  ]);
  await superuser.query(`DELETE FROM ${await schemaOf("gamma")}.sessions`);
  expect(await ask(operator, "migration-resume")).toMatchObject([{ failures: [] }]);
  await it.condition("Tenant", "gamma", "MigrationsCurrent", "True");
  expect(await ask(operator, "migration-status")).toMatchObject([{ phase: "complete", tenants: { current: 3 } }]);
});
