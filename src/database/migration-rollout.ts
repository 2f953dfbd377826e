import { createHash } from "node:crypto";
import { tenantDatabaseNames } from "../api/names.ts";
import { DatabaseError } from "./errors.ts";
import { migrate } from "./migrate.ts";
import type { Migration } from "./migrations.ts";
import type { Queryable, Sessions } from "./session.ts";

/** What a rollout brings every schema to. */
export interface RolloutTarget {
  /** The newest migration that the program knows. */
  version: number;
  /** Of all migrations of the program, hex: one that was rewritten is another target. */
  checksum: string;
}

export interface TenantFailure {
  /** failed: the SQL cannot be run there; blocked: a lock was not to be had in time. */
  kind: "failed" | "blocked";
  message: string;
  /** How often it was tried since the rollout began or was resumed. */
  attempts: number;
  /** Not before this time, in milliseconds since 1970. */
  retryAt: number;
}

/** What of a rollout has to survive the leader. Which tenants are done is in the registry. */
export interface RolloutState {
  target: RolloutTarget;
  paused: { reason: "CanaryFailed" | "FailureBudgetSpent" | "PausedByHand"; message: string } | undefined;
  /** By the Tenant's UID. */
  failures: Readonly<Record<string, TenantFailure>>;
}

export interface MigrationTrial {
  from: number;
  to: number;
  durationMs: number;
}

/** Migrations over all tenants, as far as Postgres is concerned. */
export interface MigrationStore {
  target: RolloutTarget;
  /** The version of each active tenant's schema, by UID; 0: not migrated yet. */
  versions(): Promise<Map<string, number>>;
  load(): Promise<RolloutState | undefined>;
  /** @throws StaleEpoch */
  save(state: RolloutState, epoch: number): Promise<void>;
  /**
   * Runs the tenant's pending migrations as they would run and rolls back. Takes the same locks for as long.
   * @throws MigrationFailed, DatabaseBusy, DatabaseNewerThanProgram, … as the real one would
   */
  dryRun(uid: string, epoch: number): Promise<MigrationTrial>;
}

interface Environment {
  sessions: Sessions;
  clusterUid: string;
  migrations: readonly Migration[];
}

export function migrationStore({ sessions, clusterUid, migrations }: Environment): MigrationStore {
  return {
    target: targetOf(migrations),
    versions: () =>
      sessions.read("reading the tenants' schema versions", (client) => activeVersions(client, clusterUid)),
    load: () => sessions.read("reading the migration rollout", (client) => storedRollout(client, clusterUid)),
    save: (state, epoch) =>
      sessions.fenced(epoch, "writing the migration rollout", (client) =>
        storeRollout(client, clusterUid, state, epoch),
      ),
    dryRun: (uid, epoch) => dryRun(sessions, migrations, uid, epoch),
  };
}

const targetOf = (migrations: readonly Migration[]): RolloutTarget => ({
  version: migrations.length,
  checksum: createHash("sha256")
    .update(migrations.map((it) => it.checksum).join())
    .digest("hex"),
});

async function activeVersions(client: Queryable, clusterUid: string): Promise<Map<string, number>> {
  const { rows } = await client.query<{ uid: string; version: number }>(
    `SELECT tenant_uid AS uid, schema_version AS version FROM agentpg_operator.tenant
      WHERE cluster_uid = $1 AND state = 'active'`,
    [clusterUid],
  );
  return new Map(rows.map(({ uid, version }) => [uid, version]));
}

async function storedRollout(client: Queryable, clusterUid: string): Promise<RolloutState | undefined> {
  const { rows } = await client.query<RolloutTarget & Omit<RolloutState, "target" | "paused"> & { paused: unknown }>(
    `SELECT target_version AS version, target_checksum AS checksum, paused, failures
       FROM agentpg_operator.migration_rollout WHERE cluster_uid = $1`,
    [clusterUid],
  );
  const [row] = rows;
  if (!row) return undefined;
  const { version, checksum, paused, failures } = row;
  return { target: { version, checksum }, paused: (paused ?? undefined) as RolloutState["paused"], failures };
}

async function storeRollout(client: Queryable, clusterUid: string, state: RolloutState, epoch: number): Promise<void> {
  await client.query(
    `INSERT INTO agentpg_operator.migration_rollout AS r (cluster_uid, target_version, target_checksum, paused, failures, epoch)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (cluster_uid) DO UPDATE SET target_version = excluded.target_version, target_checksum = excluded.target_checksum,
       paused = excluded.paused, failures = excluded.failures, epoch = excluded.epoch, updated_at = now()`,
    [
      clusterUid,
      state.target.version,
      state.target.checksum,
      state.paused ? JSON.stringify(state.paused) : null,
      JSON.stringify(state.failures),
      epoch,
    ],
  );
}

/** Carries the result of a transaction out of it while it is rolled back. */
class RolledBack extends DatabaseError {
  readonly trial: MigrationTrial;

  constructor(trial: MigrationTrial) {
    super("rolled back on purpose");
    this.trial = trial;
  }
}

async function dryRun(
  sessions: Sessions,
  migrations: readonly Migration[],
  uid: string,
  epoch: number,
): Promise<MigrationTrial> {
  try {
    return await sessions.writeTenant(uid, epoch, "trying the migrations", async (client, { id }) => {
      const started = performance.now();
      const { from, to } = await migrate(client, tenantDatabaseNames(id), migrations, () => true);
      throw new RolledBack({ from, to, durationMs: performance.now() - started });
    });
  } catch (error) {
    if (error instanceof RolledBack) return error.trial;
    throw error;
  }
}
