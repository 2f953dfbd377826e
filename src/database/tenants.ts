import type { Pool } from "pg";
import type { Logger } from "../telemetry/log.ts";
import type { ConnectionSettings } from "./connection.ts";
import { type ConsoleDatabase, consoleDatabase } from "./console/console.ts";
import { type DeletionPolicy, deprovisionTenant } from "./deprovision.ts";
import { TenantNotProvisioned } from "./errors.ts";
import { type EnsuredTenant, ensureTenant, type TenantRequest } from "./ensure.ts";
import { type Holder, holderOf, takeOver } from "./holder.ts";
import { acquireEpoch, refuseWithoutRegistry } from "./leader-epoch.ts";
import { type DataKeyStore, dataKeyStore } from "./encryption/data-key-store.ts";
import { type AuditAnchor, auditAnchor } from "./lifecycle/audit-anchor.ts";
import { type TenantLifecycle, tenantLifecycle } from "./lifecycle/lifecycle.ts";
import { verifyLogin } from "./login.ts";
import { loadMigrations, type MigrationGate } from "./migrations.ts";
import { type MigrationStore, migrationStore } from "./migration-rollout.ts";
import { bootstrap, isBootstrapped } from "./operator-schema.ts";
import { type EnsuredPassword, ensurePassword } from "./password.ts";
import { type ServerRegistry, serverRegistry } from "./placement.ts";
import { openClaims, type TenantRecord, tenantByUid } from "./registry.ts";
import { type CredentialsRequest, type EnsuredCredentials, ensureCredentials } from "./rotation/ensure-credentials.ts";
import { operatorPool, Sessions } from "./session.ts";
import { type TenantSecurity, tenantSecurity } from "./security/security.ts";
import { hasCode, SQLSTATE } from "./sqlstate.ts";
import { TenantDatabases } from "./tenant-databases.ts";
import { reportedProblems, type WorkerReport } from "./worker-reports.ts";

export type { ConnectionSettings } from "./connection.ts";
export type { DeletionPolicy } from "./deprovision.ts";
export type { EnsuredTenant, TenantRequest } from "./ensure.ts";
export type { EnsuredPassword } from "./password.ts";
export type { Holder } from "./holder.ts";
export type { MigrationGate } from "./migrations.ts";
export type { RegisteredClaim, ServerRegistry } from "./placement.ts";
export type { TenantRecord } from "./registry.ts";

/** What the operator does with Postgres. Each method throws only errors of the tree in `errors.ts`. */
export interface TenantDatabase {
  /** Makes the operator's own schema and closes the database to PUBLIC. Idempotent, also for two operators at once. */
  bootstrap(): Promise<void>;
  /** Once per won election: makes `holder` the leader. Writes with an older epoch are refused from then on. */
  acquireEpoch(holder: string): Promise<number>;
  /** For a leader who was told that a table or schema does not exist. @throws StaleEpoch if it is the registry that is gone */
  refuseWithoutRegistry(epoch: number): Promise<void>;
  /** Provisions or repairs the tenant and migrates its schema, if `mayMigrate` agrees. Writes nothing if nothing differs. */
  ensure(tenant: TenantRequest, epoch: number, mayMigrate?: MigrationGate): Promise<EnsuredTenant>;
  /** What a rollout of migrations over all tenants needs. */
  migrations: MigrationStore;
  /** Goes on with the tenant's login: first password, repair, rotation. See `rotation/ensure-credentials.ts`. */
  ensureCredentials(request: CredentialsRequest, epoch: number): Promise<EnsuredCredentials>;
  /** A password that logs in, at once, for a tenant that nobody uses: `current` if it does, else a new one. */
  ensurePassword(tenant: { uid: string }, current: string | undefined, epoch: number): Promise<EnsuredPassword>;
  /** Idempotent; nothing to do if the Tenant has no claim. */
  deprovision(tenant: { uid: string }, policy: DeletionPolicy, epoch: number): Promise<void>;
  /** The wrapped data keys of the tenants' transcripts. */
  dataKeys: DataKeyStore;
  /** Retention, erasure, export. */
  lifecycle: TenantLifecycle;
  /** What is to be shown of the tenants' security. */
  security: TenantSecurity;
  /** The tenants' rows, for people who look at them. Needs no leader. */
  console: ConsoleDatabase;
  /** Where the tenant's audit log ended when it was last found whole. */
  auditAnchor(tenant: { uid: string }): Promise<AuditAnchor | undefined>;
  /** The claims of this cluster that a Tenant should stand behind, by name. */
  openClaims(): Promise<TenantRecord[]>;
  /** Which operator of this cluster has the Tenant; undefined: none, as far as this database knows. */
  holderOf(tenant: { uid: string }): Promise<Holder | undefined>;
  /** Takes it over from the one that `holderOf` gave. The caller made sure that it is ours now. @throws HeldByOtherOperator */
  takeOver(tenant: { uid: string }, from: Holder, epoch: number): Promise<void>;
  /** What its registry knows that matters to where a Tenant goes; see {@link serverRegistry}. */
  registryFor(tenant: { uid: string; name: string }, besides: readonly string[]): Promise<ServerRegistry>;
  /** The registry's row. */
  find(uid: string): Promise<TenantRecord | undefined>;
  /** What the pods of one of the tenant's agents say of themselves; [] without a schema. */
  reportedProblems(tenant: { uid: string }): Promise<(WorkerReport & { agent: string })[]>;
  /** Logs in anew with the admin credentials; returns or throws within 5 seconds or so. */
  ping(): Promise<void>;
  /** Takes new admin credentials. Transactions under way end on the old ones. */
  reconnect(admin: ConnectionSettings): Promise<void>;
  close(): Promise<void>;
}

export interface TenantDatabaseOptions {
  admin: ConnectionSettings;
  migrationsDir: string;
  /**
   * Tells operators apart that share a database: the UID of the cluster's namespace kube-system, and of one of several in a cluster
   * `<that>/<namespace>/<instance>`.
   */
  clusterUid: string;
  /** Which Tenants are this operator's, as a label selector; all unless told. */
  tenantSelector?: string;
  logger: Logger;
  /** For tests that break connections. */
  openPool?: (settings: ConnectionSettings, onError: (error: Error) => void) => Pool;
}

/** Reads the migrations; connects only when it is asked for something. */
export async function createTenantDatabase(options: TenantDatabaseOptions): Promise<TenantDatabase> {
  const { clusterUid, logger, openPool = operatorPool } = options;
  const onError = (error: Error) => logger.warn({ err: error }, "an idle database connection broke; it is replaced");
  let admin = options.admin;
  let pool = openPool(admin, onError);
  const databases = new TenantDatabases(() => admin, openPool, onError);
  const sessions = new Sessions(() => pool, clusterUid, databases);
  const environment = { sessions, clusterUid, logger, migrations: await loadMigrations(options.migrationsDir) };
  return {
    bootstrap: () => bootstrapOnce(sessions),
    acquireEpoch: (holder) =>
      sessions.unfenced("taking the leadership", (client) =>
        acquireEpoch(client, clusterUid, holder, options.tenantSelector),
      ),
    refuseWithoutRegistry: (epoch) =>
      sessions.read("looking for the operator's schema", (client) => refuseWithoutRegistry(client, epoch)),
    ensure: (tenant, epoch, mayMigrate) => ensureTenant(environment, tenant, epoch, mayMigrate),
    migrations: migrationStore(environment),
    ensureCredentials: (request, epoch) => ensureCredentials({ environment, server: admin, request, epoch }),
    ensurePassword: ({ uid }, current, epoch) => ensurePassword(environment, admin, uid, current, epoch),
    deprovision: ({ uid }, policy, epoch) => deprovisionTenant(environment, uid, policy, epoch),
    dataKeys: dataKeyStore(environment),
    lifecycle: tenantLifecycle(environment),
    security: tenantSecurity(environment, () => admin),
    console: consoleDatabase(environment),
    auditAnchor: ({ uid }) => auditAnchor(sessions, uid),
    openClaims: () => sessions.read("reading the registry", (client) => openClaims(client, clusterUid)),
    holderOf: ({ uid }) =>
      sessions.read("looking for the tenant's operator", (client) => holderOf(client, uid, clusterUid)),
    takeOver: ({ uid }, from, epoch) =>
      sessions.fenced(epoch, "taking the tenant over from another operator", (client) =>
        takeOver(client, uid, from.clusterUid, clusterUid, epoch),
      ),
    registryFor: (tenant, besides) =>
      sessions.read("looking for the tenant in the registry", (client) => serverRegistry(client, tenant, besides)),
    find: (uid) => sessions.read("looking for the tenant", (client) => tenantByUid(client, uid)),
    async reportedProblems({ uid }) {
      const doing = "reading what the pods report";
      return sessions
        .readTenant(uid, doing, (client, { id }) => reportedProblems(client, id))
        .catch((error: unknown) => (error instanceof TenantNotProvisioned ? [] : Promise.reject(error)));
    },
    ping: () => verifyLogin(admin),
    async reconnect(settings) {
      const old = pool;
      admin = settings;
      pool = openPool(settings, onError);
      databases.reset();
      old.end().catch(onError);
    },
    async close() {
      await databases.close();
      if (!pool.ending) await pool.end();
    },
  };
}

/** What the loser of a race to create the same object is told (CREATE … IF NOT EXISTS included). */
const LOST_RACE = [
  SQLSTATE.uniqueViolation,
  SQLSTATE.duplicateSchema,
  SQLSTATE.duplicateTable,
  SQLSTATE.duplicateObject,
  SQLSTATE.internalError,
];

async function bootstrapOnce(sessions: Sessions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    if (await sessions.read("looking at the operator's schema", isBootstrapped)) return;
    try {
      return await sessions.unfenced("making the operator's schema", bootstrap);
    } catch (error) {
      if (attempt === 5 || !hasCode(error, ...LOST_RACE)) throw error;
    }
  }
}
