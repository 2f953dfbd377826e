import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { tenantDatabaseNames } from "../../src/api/names.ts";
import { clientOptions, type ConnectionSettings } from "../../src/database/connection.ts";
import { identifier } from "../../src/database/quote.ts";
import type { RolloutPicture } from "../../src/operator/migrations/rollout.ts";
import type { Progress } from "../../src/telemetry/progress.ts";
import { eventually } from "../../test/support/eventually.ts";
import { type BenchOperator, type BenchTenants, startBenchOperator } from "./operator.ts";

/** A column, a table, an index, and a rule that poisoned tenants break. */
const NEXT_MIGRATION = `
  ALTER TABLE runs ADD COLUMN bench_note text;
  CREATE TABLE bench_labels (session_id uuid NOT NULL, label text NOT NULL, PRIMARY KEY (session_id, label));
  CREATE INDEX bench_labels_by_label ON bench_labels (label);
  ALTER TABLE sessions ADD CONSTRAINT bench_no_poison CHECK (user_id <> 'poison');`;

/** The program's migrations and one more, in a folder of their own; `remove()` it afterwards. */
async function nextVersion(
  migrationsDir: string,
): Promise<{ folder: string; version: number; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-bench-"));
  await cp(migrationsDir, folder, { recursive: true });
  const version = (await readdir(folder)).length + 1;
  await writeFile(join(folder, `${String(version).padStart(4, "0")}_bench.sql`), NEXT_MIGRATION);
  return { folder, version, remove: () => rm(folder, { recursive: true }) };
}

interface Victims {
  poisoned: string[];
  /** Its table is locked until {@link release}. */
  locked: string;
  release(): Promise<void>;
}

/** One in a hundred gets data that the migration refuses, and of one more a table is read by a transaction that does not end. */
async function makeVictims(
  { database }: BenchOperator,
  { requests }: BenchTenants,
  superuser: ConnectionSettings,
): Promise<Victims> {
  const names = [...requests.keys()];
  const count = Math.max(1, Math.round(names.length / 100));
  // Spread over all, and none of them the canary, which is the first.
  const victims = Array.from(
    { length: count + 1 },
    (_, n) => names[Math.floor(((n + 0.5) * names.length) / (count + 1))],
  );
  const [locked = "", ...poisoned] = victims as string[];
  const client = new Client(clientOptions(superuser, "bench victims"));
  client.on("error", () => {}); // the server goes at the end; a query that it breaks fails
  await client.connect();
  const table = async (tenant: string, name: string) => {
    const record = await database.find(requests.get(tenant)?.uid ?? "");
    return `${identifier(tenantDatabaseNames(record?.id ?? "").schema)}.${name}`;
  };
  for (const tenant of poisoned)
    await client.query(
      `INSERT INTO ${await table(tenant, "sessions")} (id, agent, user_id) VALUES (gen_random_uuid(), 'bench', 'poison')`,
    );
  await client.query(`BEGIN; SELECT count(*) FROM ${await table(locked, "runs")}`);
  return { poisoned, locked, release: () => client.end() };
}

/** A new version of the program comes up as the leader and migrates all tenants. @throws Error unless exactly the victims are left out */
export async function migrateAll(
  before: BenchOperator,
  tenants: BenchTenants,
  { admin, superuser, migrationsDir, progress }: BenchServer & { progress: Progress },
) {
  const victims = await makeVictims(before, tenants, superuser);
  await before.stop();
  const next = await nextVersion(migrationsDir);
  const operator = await startBenchOperator(admin, next.folder, tenants);
  try {
    const started = performance.now();
    const expected = { failed: victims.poisoned.length, blocked: 1 };
    await progress.step(`${tenants.requests.size} tenants are migrated`, async (detail) => {
      await operator.reconcile([...tenants.requests.keys()]);
      await until(operator, detail, (seen) => isDone(seen, expected));
    });
    const seconds = (performance.now() - started) / 1000;
    await checkIsolation(operator, tenants, victims, next.version);
    await victims.release();
    await operator.coordinator.resume(operator.database, operator.epoch);
    await progress.step("the one that was locked follows", async (detail) => {
      await operator.reconcile([victims.locked]);
      await until(operator, detail, (seen) => isDone(seen, { ...expected, blocked: 0 }));
    });
    return { migrationSeconds1000: seconds };
  } finally {
    await operator.stop();
    await next.remove();
  }
}

export interface BenchServer {
  admin: ConnectionSettings;
  superuser: ConnectionSettings;
  migrationsDir: string;
}

const behind = ({ state, tenants }: RolloutPicture) => tenants.filter((it) => it.version < state.target.version);
const count = ({ state }: RolloutPicture, kind: "failed" | "blocked") =>
  Object.values(state.failures).filter((it) => it.kind === kind).length;

const isDone = (picture: RolloutPicture, expected: { failed: number; blocked: number }): boolean =>
  behind(picture).length === expected.failed + expected.blocked &&
  count(picture, "failed") === expected.failed &&
  count(picture, "blocked") === expected.blocked;

async function until(operator: BenchOperator, detail: (text: string) => void, good: (seen: RolloutPicture) => boolean) {
  const look = async () => {
    const picture = await operator.coordinator.picture(operator.database);
    if (picture.state.paused) throw new Error(picture.state.paused.message);
    detail(`${behind(picture).length} are behind`);
    return picture;
  };
  await eventually(look, good, 120, 50);
}

/** What the registry says, not what the coordinator remembers. */
async function checkIsolation(operator: BenchOperator, { requests }: BenchTenants, victims: Victims, version: number) {
  const versions = await operator.database.migrations.versions();
  const left = [...requests.values()].filter(({ uid }) => versions.get(uid) !== version).map(({ name }) => name);
  const expected = [...victims.poisoned, victims.locked].toSorted();
  if (JSON.stringify(left.toSorted()) !== JSON.stringify(expected))
    throw new Error(`behind are ${left.join(", ")}; expected were ${expected.join(", ")}`);
}
