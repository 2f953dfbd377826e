import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientOptions } from "../../src/database/connection.ts";
import { DEPLOYMENT, SECRET } from "../../src/kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import type { RunningOperator } from "../../src/operator/main.ts";
import { anAgent, aTenant } from "../support/builders.ts";
import { eventually } from "../support/eventually.ts";
import { type OperatorHarness, startHarness } from "../support/operator-harness.ts";

let it: OperatorHarness;
let operator: RunningOperator;
let looker: Client;
let keysDir: string;
const SECRET_NAME = "agentpg-transcript-keys";
const NAME = "vault";

const aKey = () => randomBytes(32).toString("base64");
const kek: Record<string, string> = { first: aKey(), second: aKey(), third: aKey() };
/** The mounted key-encryption keys: these, and the last of them in use. */
async function mount(...names: string[]): Promise<void> {
  for (const name of Object.keys(kek)) if (!names.includes(name)) await rm(join(keysDir, name), { force: true });
  for (const name of names) await writeFile(join(keysDir, name), kek[name] as string);
  await writeFile(join(keysDir, "current"), names.at(-1) ?? "");
}

beforeAll(async () => {
  keysDir = await mkdtemp(join(tmpdir(), "agentpg-kek-"));
  it = await startHarness();
  looker = new Client(clientOptions(it.postgres.adminSettings(it.admin.database), "test"));
  await looker.connect();
  await it.startOperator();
}, 1_800_000);
afterAll(async () => {
  await looker?.end();
  await it?.stop();
  await rm(keysDir, { recursive: true, force: true });
});

const ENCRYPT = { dataProtection: { encryptTranscripts: true } };
async function aReadyTenant(name: string, spec: Record<string, unknown> = {}, metadata = {}): Promise<void> {
  await it.prepareTenantNamespace(name, name);
  await it.apply(TENANT, aTenant(name, spec, metadata));
  await it.condition("Tenant", name, "Ready", "True");
}
const secretOf = async (namespace: string): Promise<Record<string, string> | undefined> => {
  const found = await it.client
    .get<{ data?: Record<string, string> }>(SECRET, SECRET_NAME, namespace)
    .catch(() => undefined);
  return (
    found &&
    Object.fromEntries(
      Object.entries(found.data ?? {}).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]),
    )
  );
};
interface Row {
  generation: number;
  kek: string;
  state: string;
  wrapped: Buffer;
}
const rowsOf = async (tenant: string): Promise<Row[]> =>
  (
    await looker.query<Row>(
      `SELECT k.generation, k.kek, k.state, k.wrapped FROM agentpg_operator.data_key k JOIN agentpg_operator.tenant t ON t.id = k.tenant_id
       WHERE tenant_name = $1 ORDER BY generation`,
      [tenant],
    )
  ).rows;
const keksOf = async (tenant: string) => (await rowsOf(tenant)).map((row) => row.kek);
const annotate = (name: string, value: string) =>
  it.client.mergePatch(TENANT, name, undefined, {
    metadata: { annotations: { "agentpg.dev/rotate-data-key": value } },
  });

test("an Agent that asks for encryption is refused while the operator has no key, and nothing of it runs", async () => {
  await aReadyTenant(NAME);
  await it.apply(AGENT, anAgent(NAME, "clerk", ENCRYPT));
  const refused = await it.condition("Agent", `${NAME}/clerk`, "ConfigurationValid", "False", "EncryptionKeyMissing");
  expect(refused.message).toContain("encryption.keySecret");
  await it.condition("Tenant", NAME, "EncryptionReady", "False", "EncryptionKeyMissing");
  await it.condition("Tenant", NAME, "Ready", "True");
  await expect(it.client.get(DEPLOYMENT, "agent-clerk", NAME)).rejects.toMatchObject({ status: 404 });
  expect(await secretOf(NAME)).toBeUndefined();
});

test("keys that are half there are refused with what is wrong with them", async () => {
  await it.stopOperator();
  await writeFile(join(keysDir, "first"), (kek["first"] as string).slice(0, 20));
  await writeFile(join(keysDir, "current"), "first");
  operator = await it.startOperator({ encryption: { keysDir, publishSeconds: 0 } });
  const refused = await it.condition("Agent", `${NAME}/clerk`, "ConfigurationValid", "False", "EncryptionKeyInvalid");
  expect(refused.message).toContain("file first must hold 32 random bytes as base64");
});

test("with a key, the tenant's pods get a data key that the database has only wrapped", async () => {
  await mount("first");
  await it.condition("Tenant", NAME, "EncryptionReady", "True", "Published", 60);
  await it.condition("Agent", `${NAME}/clerk`, "ConfigurationValid", "True", undefined, 90);
  const published = await secretOf(NAME);
  expect(published).toEqual({ "key-1": expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/), current: "1" });
  const rows = await rowsOf(NAME);
  expect(rows).toMatchObject([{ generation: 1, kek: "first", state: "current" }]);
  expect(rows[0]?.wrapped.includes(Buffer.from(published?.["key-1"] ?? "", "base64"))).toBe(false);
  const { spec } = await eventually(
    () => it.client.get<{ spec?: unknown }>(DEPLOYMENT, "agent-clerk", NAME),
    () => true,
  );
  expect(JSON.stringify(spec)).toContain(SECRET_NAME);
  expect(JSON.stringify(spec)).not.toContain(published?.["key-1"]);
});

test("a tenant of which no Agent asks for encryption gets no keys", async () => {
  await aReadyTenant("open");
  await it.apply(AGENT, anAgent("open", "clerk"));
  await it.condition("Agent", "open/clerk", "ConfigurationValid", "True");
  expect(await secretOf("open")).toBeUndefined();
  expect((await it.tenant("open")).status?.conditions?.map((one) => one.type)).not.toContain("EncryptionReady");
});

test("a Secret that somebody changed is set right", async () => {
  const before = await secretOf(NAME);
  await it.client.mergePatch(SECRET, SECRET_NAME, NAME, { stringData: { "key-1": aKey() } });
  await eventually(
    () => secretOf(NAME),
    (now) => now?.["key-1"] === before?.["key-1"],
  );
});

test("a new data key is readable by all before anybody writes with it", async () => {
  const { rows } = await looker.query<{ id: string }>("SELECT id FROM agentpg_operator.tenant WHERE tenant_name = $1", [
    NAME,
  ]);
  const workers = `${rows[0]?.id}.workers`;
  const report = (keys: number[]) => JSON.stringify({ pod: "p", credentials: "", problem: null, transcriptKeys: keys });
  await looker.query(
    `INSERT INTO ${workers} (id, agent, expires_at, report) VALUES (gen_random_uuid(), 'clerk', now() + interval '1 hour', $1)`,
    [report([1])],
  );
  await annotate(NAME, "one");
  const waiting = await it.condition("Tenant", NAME, "EncryptionReady", "True", "RotatingDataKey");
  expect(waiting.message).toContain("generation 2");
  const published = await eventually(
    () => secretOf(NAME),
    (now) => now?.["key-2"] !== undefined,
  );
  expect(published?.["current"]).toBe("1");
  expect((await rowsOf(NAME)).map((row) => row.state)).toEqual(["current", "pending"]);
  await looker.query(`UPDATE ${workers} SET report = $1`, [report([1, 2])]);
  await eventually(
    () => secretOf(NAME),
    (now) => now?.["current"] === "2",
  );
  expect((await rowsOf(NAME)).map((row) => row.state)).toEqual(["former", "current"]);
  expect((await secretOf(NAME))?.["key-1"]).toBe(published?.["key-1"]);
  await looker.query(`DELETE FROM ${workers}`);
});

test("another key-encryption key wraps all data keys anew, those of retained tenants too", async () => {
  await aReadyTenant("retained");
  await it.apply(AGENT, anAgent("retained", "clerk", ENCRYPT));
  await it.condition("Tenant", "retained", "EncryptionReady", "True", "Published");
  const kept = await secretOf("retained");
  await it.client.delete(TENANT, "retained");
  await eventually(
    () =>
      it
        .tenant("retained")
        .then(() => "there")
        .catch(() => "gone"),
    (now) => now === "gone",
    60,
  );
  expect(await secretOf("retained")).toBeUndefined();
  const before = await secretOf(NAME);
  await mount("first", "second");
  await eventually(
    async () => [...(await keksOf(NAME)), ...(await keksOf("retained"))],
    (now) => now.length === 3 && now.every((one) => one === "second"),
  );
  await mount("second");
  await eventually(
    () => operator.metrics.metrics(),
    (now) =>
      /agentpg_data_keys\{server="default",kek="second",current="true"\} 3/.test(now) && !now.includes('kek="first"'),
  );
  expect(await secretOf(NAME)).toEqual(before);
  await it.apply(TENANT, aTenant("retained", {}, { annotations: { "agentpg.dev/adopt": "true" } }));
  await it.condition("Tenant", "retained", "EncryptionReady", "True", "Published", 60);
  expect(await secretOf("retained")).toEqual(kept);
});

test("a missing key-encryption key is named, loses nothing, and is mended by putting it back", async () => {
  const before = await secretOf(NAME);
  await mount("third");
  const missing = await it.condition("Tenant", NAME, "EncryptionReady", "False", "EncryptionKeyMissing", 60);
  expect(missing.message).toContain("second");
  await it.condition("Tenant", NAME, "Ready", "True");
  expect(await secretOf(NAME)).toEqual(before);
  expect(await keksOf(NAME)).toEqual(["second", "second"]);
  await mount("second", "third");
  await eventually(
    () => keksOf(NAME),
    (now) => now.every((one) => one === "third"),
    60,
  );
  await it.condition("Tenant", NAME, "EncryptionReady", "True", "Published", 60);
  expect(await secretOf(NAME)).toEqual(before);
});

test("deletion with Delete takes the data keys too", async () => {
  const { rows } = await looker.query<{ id: string }>("SELECT id FROM agentpg_operator.tenant WHERE tenant_name = $1", [
    NAME,
  ]);
  await it.apply(TENANT, aTenant(NAME, { deletionPolicy: "Delete" }));
  await it.client.delete(TENANT, NAME);
  await eventually(
    async () =>
      (await looker.query("SELECT FROM agentpg_operator.data_key WHERE tenant_id = $1", [rows[0]?.id])).rowCount,
    (count) => count === 0,
    60,
  );
});

test("no key is in what the operator logs", async () => {
  const log = it.log.join("");
  for (const key of Object.values(kek)) expect(log).not.toContain(key);
});
