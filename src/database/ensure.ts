import { tenantDatabaseNames, type TenantDatabaseNames } from "../api/names.ts";
import type { Logger } from "../telemetry/log.ts";
import { InsufficientPrivilege } from "./errors.ts";
import { ensureDatabase } from "./ensure-database.ts";
import { migrate, type MigrationResult, migrationsOfOwner, VERSION_TABLE } from "./migrate.ts";
import { type AppliedMigration, type Migration, type MigrationGate, pendingMigrations } from "./migrations.ts";
import { applyPlan } from "./provisioning/apply.ts";
import { beyondOperator } from "./provisioning/beyond-operator.ts";
import { observeTenant } from "./provisioning/observe.ts";
import { planOwnDatabase } from "./provisioning/plan-own-database.ts";
import { planTenant } from "./provisioning/plan.ts";
import type { DesiredTenant, ObservedTenant, Place } from "./provisioning/state.ts";
import { describeStep, followsSpec, type Step } from "./provisioning/step.ts";
import {
  claimTenant,
  type Isolation,
  type Login,
  observedTenantByUid,
  openLogins,
  ownDatabase,
  recordSchemaVersion,
  type TenantIdentity,
  type TenantRecord,
  tenantByUid,
} from "./registry.ts";
import type { Queryable, Sessions } from "./session.ts";

export interface TenantRequest extends TenantIdentity {
  /** Connections of each of the two logins; one is in use at a time. */
  connectionLimit: number;
  /** Take over what an earlier Tenant of this name left. */
  adopt?: boolean;
  /** schema, unless told. */
  isolation?: Isolation;
}

export interface EnsuredTenant {
  /** `t_` and 12 hex digits. */
  id: string;
  names: TenantDatabaseNames;
  /** The tenant's own database; undefined: its schemas are in the operator's. */
  database: string | undefined;
  /** This call made the claim. */
  created: boolean;
  /** This call took over what an earlier Tenant left. */
  adopted: boolean;
  /** What was written, in order; [] in steady state. */
  steps: Step[];
  /** Drift that was repaired, each as a sentence. */
  repairs: string[];
  migrations: MigrationResult;
  activeLogin: Login;
  /** The registry's row. */
  record: TenantRecord;
  /** How many data keys its transcripts have; undefined: not looked at. */
  dataKeys: number | undefined;
}

export interface Environment {
  sessions: Sessions;
  clusterUid: string;
  migrations: readonly Migration[];
  logger: Logger;
}

/**
 * Makes the tenant as it is meant to be, and writes nothing if it is. Idempotent; killed at any point, the next call finishes.
 * Rights are repaired in a transaction of their own, so that a migration that fails does not keep them from it.
 * @throws DatabaseError
 */
export async function ensureTenant(
  environment: Environment,
  request: TenantRequest,
  epoch: number,
  mayMigrate: MigrationGate = () => true,
): Promise<EnsuredTenant> {
  const asIs = await steadyTenant(environment, request, mayMigrate);
  if (asIs && "migrations" in asIs) return asIs;
  const base = asIs ?? (await provision(environment, request, epoch));
  const repairs =
    base.outcome === "own" && base.wasActive ? base.steps.filter((step) => !followsSpec(step)).map(describeStep) : [];
  // Said before the migrations, which may fail.
  if (repairs.length > 0)
    environment.logger.warn({ tenant: request.name, id: base.record.id, repairs }, "drift in Postgres was repaired");
  const migrated = await migrateTenant(environment, request, epoch, mayMigrate);
  return {
    ...facts(base.record),
    created: base.outcome === "new",
    adopted: base.outcome === "adopt",
    steps: [...base.steps, ...migrated.steps],
    repairs,
    migrations: migrated.result,
    dataKeys: undefined,
  };
}

const facts = (record: TenantRecord) => ({
  id: record.id,
  names: tenantDatabaseNames(record.id),
  database: ownDatabase(record),
  activeLogin: record.activeLogin,
  record,
});

const desiredOf = (record: TenantRecord, request: TenantRequest, place: Place): DesiredTenant => ({
  names: tenantDatabaseNames(record.id),
  place,
  connectionLimit: request.connectionLimit,
  openLogins: openLogins(record),
});

/** What the operator's own database is to the tenant. */
const placeHere = (record: TenantRecord): Place => (ownDatabase(record) ? "elsewhere" : "shared");
/** What the database with the tenant's schemas is to it. */
const placeThere = (record: TenantRecord): Place => (ownDatabase(record) ? "own" : "shared");

interface Provisioned {
  record: TenantRecord;
  outcome: "new" | "own" | "adopt";
  wasActive: boolean;
  steps: Step[];
}

/** The tenant, if nothing at all has to be written; what there is of it, if only migrations are to be run. */
async function steadyTenant(
  environment: Environment,
  request: TenantRequest,
  mayMigrate: MigrationGate,
): Promise<EnsuredTenant | Provisioned | undefined> {
  const found = await readApplied(environment, request);
  if (!found) return undefined;
  const { record, applied, dataKeys } = found;
  const pending = pendingMigrations(applied, environment.migrations, record.id).length;
  const newest = environment.migrations.length;
  const version = newest - pending;
  if (record.schemaVersion !== version) return undefined;
  if (pending > 0 && (version === 0 || mayMigrate({ id: record.id, from: version, to: newest })))
    return { record, outcome: "own", wasActive: true, steps: [] };
  const migrations = { from: version, to: version, pending };
  return { ...facts(record), created: false, adopted: false, steps: [], repairs: [], migrations, dataKeys };
}

type Applied = { record: TenantRecord; dataKeys: number; applied: AppliedMigration[] };

/** The tenant's migrations, if all else is as it is meant to be. */
async function readApplied(
  { sessions, clusterUid }: Environment,
  request: TenantRequest,
): Promise<Applied | undefined> {
  const doing = `looking at Tenant ${request.name}`;
  type Elsewhere = { record: TenantRecord; dataKeys: number; database: string };
  const here = await sessions.readToWrite(doing, async (client): Promise<Applied | Elsewhere | undefined> => {
    const found = await observedTenantByUid(client, request.uid);
    if (!found) return undefined;
    const { record, observed, dataKeys } = found;
    if (record.state !== "active" || record.clusterUid !== clusterUid) return undefined;
    if (record.isolation !== (request.isolation ?? "schema")) return undefined;
    const database = ownDatabase(record);
    if (!isAsDesired(observed, desiredOf(record, request, placeHere(record)), record)) return undefined;
    if (!database) return { record, dataKeys, applied: await migrationsIn(client, observed, record) };
    return planOwnDatabase(observed.ownDatabase, database).length > 0 ? undefined : { record, dataKeys, database };
  });
  if (!here || "applied" in here) return here;
  const { record, dataKeys, database } = here;
  return sessions.readDatabase(database, doing, async (client) => {
    const observed = await observeTenant(client, tenantDatabaseNames(record.id));
    if (!isAsDesired(observed, desiredOf(record, request, "own"), record)) return undefined;
    return { record, dataKeys, applied: await migrationsIn(client, observed, record) };
  });
}

function isAsDesired(observed: ObservedTenant, desired: DesiredTenant, record: TenantRecord): boolean {
  if (planTenant(observed, desired).length > 0) return false;
  refuseIfBeyond(beyondOperator(observed, desired), record);
  return true;
}

const migrationsIn = (client: Queryable, observed: ObservedTenant, { id }: TenantRecord) =>
  observed.rowSecurity.some((it) => it.table === VERSION_TABLE)
    ? migrationsOfOwner(client, tenantDatabaseNames(id))
    : Promise.resolve([]);

/** Claim, roles, schemas and rights: in one transaction, so that a schema without a claim cannot exist. A database comes after its claim. */
async function provision(environment: Environment, request: TenantRequest, epoch: number): Promise<Provisioned> {
  const { sessions, clusterUid } = environment;
  const doing = `provisioning Tenant ${request.name}`;
  const base = await sessions.fenced(epoch, doing, async (client) => {
    const before = await tenantByUid(client, request.uid);
    const { adopt = false, isolation = "schema" } = request;
    const { record, outcome } = await claimTenant(client, { ...request, clusterUid, epoch, adopt, isolation });
    const { steps } = await converge(client, desiredOf(record, request, placeHere(record)));
    return { record, outcome, wasActive: before?.state === "active", steps };
  });
  if (!ownDatabase(base.record)) return base;
  const made = await ensureDatabase(environment, base.record, epoch);
  const inside = await sessions.writeTenant(request.uid, epoch, doing, (client, record) =>
    converge(client, desiredOf(record, request, "own")),
  );
  return { ...base, steps: [...base.steps, ...made, ...inside.steps] };
}

/** Gives what was done, and what was found before. */
async function converge(
  client: Queryable,
  desired: DesiredTenant,
): Promise<{ steps: Step[]; observed: ObservedTenant }> {
  const observed = await observeTenant(client, desired.names);
  const steps = planTenant(observed, desired);
  await applyPlan(client, { ...desired, operator: observed.operator.name }, steps);
  return { steps, observed };
}

/** Migrations, and the rights and policies of the tables that they made: in one transaction, so that no table is ever without. */
function migrateTenant(
  { sessions, migrations }: Environment,
  request: TenantRequest,
  epoch: number,
  mayMigrate: MigrationGate,
): Promise<{ result: MigrationResult; steps: Step[] }> {
  const doing = `migrating Tenant ${request.name}`;
  return sessions.writeTenant(request.uid, epoch, doing, async (client, record, registry) => {
    const desired = desiredOf(record, request, placeThere(record));
    const result = await migrate(client, desired.names, migrations, mayMigrate);
    const { steps, observed } = await converge(client, desired);
    refuseIfBeyond(beyondOperator(observed, desired), record);
    if (record.schemaVersion !== result.to) await recordSchemaVersion(registry, record.id, result.to, epoch);
    return { result, steps };
  });
}

/** What the operator cannot repair must not look healthy. */
function refuseIfBeyond(statements: string[], record: TenantRecord): void {
  if (statements.length === 0) return;
  throw new InsufficientPrivilege(
    `Tenant ${record.name} (${record.id}) was changed in a way that only a superuser can undo; run as one: ${statements.join("; ")}`,
  );
}
