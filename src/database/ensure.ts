import { tenantDatabaseNames, type TenantDatabaseNames } from "../api/names.ts";
import type { Logger } from "../telemetry/log.ts";
import { InsufficientPrivilege, TenantNotProvisioned } from "./errors.ts";
import { appliedMigrations, migrate, type MigrationResult } from "./migrate.ts";
import { type Migration, pendingMigrations } from "./migrations.ts";
import { applyPlan } from "./provisioning/apply.ts";
import { beyondOperator } from "./provisioning/beyond-operator.ts";
import { observeTenant } from "./provisioning/observe.ts";
import { planTenant } from "./provisioning/plan.ts";
import type { DesiredTenant } from "./provisioning/state.ts";
import { describeStep, followsSpec, type Step } from "./provisioning/step.ts";
import {
  claimTenant,
  lockTenant,
  type Login,
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
}

export interface EnsuredTenant {
  /** `t_` and 12 hex digits. */
  id: string;
  names: TenantDatabaseNames;
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
): Promise<EnsuredTenant> {
  const { sessions } = environment;
  const asIs = await sessions.read(`looking at Tenant ${request.name}`, (client) =>
    steadyTenant(client, environment, request),
  );
  if (asIs) return asIs;
  const base = await sessions.fenced(epoch, `provisioning Tenant ${request.name}`, (client) =>
    provision(client, environment, request, epoch),
  );
  const repairs =
    base.outcome === "own" && base.wasActive ? base.steps.filter((step) => !followsSpec(step)).map(describeStep) : [];
  // Said before the migrations, which may fail.
  if (repairs.length > 0)
    environment.logger.warn({ tenant: request.name, id: base.record.id, repairs }, "drift in Postgres was repaired");
  const migrated = await sessions.fenced(epoch, `migrating Tenant ${request.name}`, (client) =>
    migrateTenant(client, environment, request, epoch),
  );
  return {
    id: base.record.id,
    names: base.names,
    created: base.outcome === "new",
    adopted: base.outcome === "adopt",
    steps: [...base.steps, ...migrated.steps],
    repairs,
    migrations: migrated.result,
    activeLogin: base.record.activeLogin,
  };
}

const desiredOf = (record: TenantRecord, request: TenantRequest): DesiredTenant => ({
  names: tenantDatabaseNames(record.id),
  connectionLimit: request.connectionLimit,
  openLogins: [record.activeLogin],
});

/** The tenant, if nothing at all has to be written. */
async function steadyTenant(
  client: Queryable,
  environment: Environment,
  request: TenantRequest,
): Promise<EnsuredTenant | undefined> {
  const record = await tenantByUid(client, request.uid);
  if (record?.state !== "active" || record.clusterUid !== environment.clusterUid) return undefined;
  const desired = desiredOf(record, request);
  const observed = await observeTenant(client, desired.names);
  if (planTenant(observed, desired).length > 0) return undefined;
  refuseIfBeyond(beyondOperator(observed, desired), record);
  const applied = await appliedMigrations(client, desired.names);
  if (pendingMigrations(applied, environment.migrations, record.id).length > 0) return undefined;
  const version = environment.migrations.length;
  if (record.schemaVersion !== version) return undefined;
  const migrations = { from: version, to: version };
  return {
    id: record.id,
    names: desired.names,
    created: false,
    adopted: false,
    steps: [],
    repairs: [],
    migrations,
    activeLogin: record.activeLogin,
  };
}

/** Claim, roles, schemas and rights: in one transaction, so that a schema without a claim cannot exist. */
async function provision(client: Queryable, environment: Environment, request: TenantRequest, epoch: number) {
  const before = await tenantByUid(client, request.uid);
  const claim = { ...request, clusterUid: environment.clusterUid, epoch, adopt: request.adopt ?? false };
  const { record, outcome } = await claimTenant(client, claim);
  const desired = desiredOf(record, request);
  return {
    record,
    outcome,
    wasActive: before?.state === "active",
    names: desired.names,
    steps: await converge(client, desired),
  };
}

async function converge(client: Queryable, desired: DesiredTenant): Promise<Step[]> {
  const observed = await observeTenant(client, desired.names);
  const steps = planTenant(observed, desired);
  await applyPlan(client, { names: desired.names, operator: observed.operator.name }, steps);
  return steps;
}

/** Migrations, and the rights and policies of the tables that they made: in one transaction, so that no table is ever without. */
async function migrateTenant(client: Queryable, environment: Environment, request: TenantRequest, epoch: number) {
  const record = await lockTenant(client, request.uid);
  if (record?.state !== "active")
    throw new TenantNotProvisioned(
      `Tenant ${request.name} lost its claim while it was provisioned: it was deleted meanwhile`,
    );
  const desired = desiredOf(record, request);
  const result = await migrate(client, desired.names, environment.migrations);
  const steps = await converge(client, desired);
  if (record.schemaVersion !== result.to) await recordSchemaVersion(client, record.id, result.to, epoch);
  refuseIfBeyond(beyondOperator(await observeTenant(client, desired.names), desired), record);
  return { result, steps };
}

/** What the operator cannot repair must not look healthy. */
function refuseIfBeyond(statements: string[], record: TenantRecord): void {
  if (statements.length === 0) return;
  throw new InsufficientPrivilege(
    `Tenant ${record.name} (${record.id}) was changed in a way that only a superuser can undo; run as one: ${statements.join("; ")}`,
  );
}
