import { randomBytes } from "node:crypto";
import { schemaName, type SchemaName, tenantDatabaseNames } from "../api/names.ts";
import {
  HeldByOtherOperator,
  IsolationDiffers,
  RetainedByEarlierTenant,
  SchemaClaimedByOther,
  TenantBeingDeleted,
} from "./errors.ts";
import { observation } from "./provisioning/observation-sql.ts";
import { type Observation, observedTenant } from "./provisioning/observe.ts";
import type { ObservedTenant } from "./provisioning/state.ts";
import type { Queryable } from "./session.ts";

export interface TenantIdentity {
  /** metadata.uid of the Tenant. */
  uid: string;
  name: string;
  namespace: string;
}

export type Login = "a" | "b";

/** Where a tenant's schemas are: in the operator's database with those of others, or in a database of its own. */
export type Isolation = "schema" | "database";

/**
 * Where a change of logins stands. `opening`: the idle login is open, its password is not published yet · `draining`: it is
 * published, the pods move over · `closing`: the old login is closed, what is left of its connections ends.
 */
export type RotationStep = "opening" | "draining" | "closing";

export interface Rotation {
  step: RotationStep;
  /** Why, in CamelCase. */
  reason: string;
  startedAt: Date;
  /** When the step began. */
  stepAt: Date;
}

/** A row of the registry: who has which schema. */
export interface TenantRecord extends TenantIdentity {
  /** `t_` and 12 hex digits; see {@link tenantDatabaseNames}. */
  id: string;
  clusterUid: string;
  isolation: Isolation;
  /** retained: the Tenant is gone, its data stays and the logins are closed. */
  state: "active" | "retained" | "deleting";
  activeLogin: Login;
  /** Epoch of the leader that wrote last. */
  epoch: number;
  schemaVersion: number;
  createdAt: Date;
  updatedAt: Date;
  retainedAt: Date | undefined;
  /** Names the login and password that were last set to be published; undefined before the first. No secret. */
  credentialsRevision: string | undefined;
  /** When that password was set. */
  passwordChangedAt: Date | undefined;
  /** The last request for a rotation that was acted upon. */
  rotationRequest: string | undefined;
  rotation: Rotation | undefined;
}

const COLUMNS = `id, tenant_uid AS uid, tenant_name AS name, namespace, cluster_uid AS "clusterUid", isolation, state, active_login AS "activeLogin",
  epoch, schema_version AS "schemaVersion", created_at AS "createdAt", updated_at AS "updatedAt", retained_at AS "retainedAt",
  credentials_revision AS "credentialsRevision", password_changed_at AS "passwordChangedAt", rotation_request AS "rotationRequest", rotation`;

type Nullable = "retainedAt" | "credentialsRevision" | "passwordChangedAt" | "rotationRequest";
type Row = Omit<TenantRecord, "epoch" | "rotation" | Nullable> & { [key in Nullable]: TenantRecord[key] | null } & {
  epoch: string;
  rotation: (Omit<Rotation, "startedAt" | "stepAt"> & { startedAt: string; stepAt: string }) | null;
};
const record = (row: Row): TenantRecord => ({
  ...row,
  epoch: Number(row.epoch),
  retainedAt: row.retainedAt ?? undefined,
  credentialsRevision: row.credentialsRevision ?? undefined,
  passwordChangedAt: row.passwordChangedAt ?? undefined,
  rotationRequest: row.rotationRequest ?? undefined,
  rotation: row.rotation
    ? { ...row.rotation, startedAt: new Date(row.rotation.startedAt), stepAt: new Date(row.rotation.stepAt) }
    : undefined,
});

export const otherLogin = (login: Login): Login => (login === "a" ? "b" : "a");

/** The logins that are meant to be open: while pods move from one to the other, both. */
export function openLogins({ activeLogin, rotation }: TenantRecord): Login[] {
  const moving = rotation && rotation.step !== "closing";
  return moving ? [activeLogin, otherLogin(activeLogin)] : [activeLogin];
}

/** The name of the tenant's own database; undefined: it shares the operator's. */
export const ownDatabase = ({ id, isolation }: Pick<TenantRecord, "id" | "isolation">): SchemaName | undefined =>
  isolation === "database" ? schemaName(id) : undefined;

export async function tenantByUid(client: Queryable, uid: string): Promise<TenantRecord | undefined> {
  const { rows } = await client.query<Row>(`SELECT ${COLUMNS} FROM agentpg_operator.tenant WHERE tenant_uid = $1`, [
    uid,
  ]);
  return rows[0] && record(rows[0]);
}

/** The row, and what there is of the tenant in this database: in one statement, for the look at tenants that need nothing. */
export async function observedTenantByUid(
  client: Queryable,
  uid: string,
): Promise<{ record: TenantRecord; observed: ObservedTenant; dataKeys: number } | undefined> {
  const { rows } = await client.query<Row & { observed: Observation; dataKeys: number }>(
    {
      name: "observed-tenant-by-uid",
      text: `SELECT ${COLUMNS}, ${observation("t.id")} AS observed,
          (SELECT count(*)::int FROM agentpg_operator.data_key k WHERE k.tenant_id = t.id) AS "dataKeys"
        FROM agentpg_operator.tenant t WHERE tenant_uid = $1`,
    },
    [uid],
  );
  if (!rows[0]) return undefined;
  const { observed, dataKeys, ...row } = rows[0];
  return { record: record(row), observed: observedTenant(observed, tenantDatabaseNames(row.id)), dataKeys };
}

/** The row, locked until the transaction ends: whoever writes to a tenant takes turns here. */
export async function lockTenant(client: Queryable, uid: string): Promise<TenantRecord | undefined> {
  const { rows } = await client.query<Row>(
    `SELECT ${COLUMNS} FROM agentpg_operator.tenant WHERE tenant_uid = $1 FOR UPDATE`,
    [uid],
  );
  return rows[0] && record(rows[0]);
}

export interface Claim extends TenantIdentity {
  clusterUid: string;
  epoch: number;
  adopt: boolean;
  isolation: Isolation;
}

/** The cluster of an operator. Of several in one, each has a `clusterUid` of its own: `<cluster>/<namespace>/<instance>`. */
export const clusterOf = (clusterUid: string): string => clusterUid.split("/", 1)[0] ?? "";

/** How people name an operator: `<namespace>/<instance>`, or `default` for one without an instance name. */
export const operatorName = (clusterUid: string): string =>
  clusterUid.slice(clusterOf(clusterUid).length + 1) || "default";

/**
 * What an existing row of this name or UID means for somebody who claims it. Pure.
 * @throws SchemaClaimedByOther, HeldByOtherOperator, RetainedByEarlierTenant, TenantBeingDeleted, IsolationDiffers when the claim
 * has to be refused
 */
export function judgeClaim(existing: TenantRecord, claim: Claim): "own" | "adopt" {
  const name = JSON.stringify(claim.name);
  const sameCluster = clusterOf(existing.clusterUid) === clusterOf(claim.clusterUid);
  const sameOperator = existing.clusterUid === claim.clusterUid;
  if (existing.state === "deleting") {
    throw new TenantBeingDeleted(
      `the data of an earlier Tenant ${name} is being deleted (${existing.id}): this Tenant gets its own once that is done`,
    );
  }
  if (existing.uid === claim.uid && sameCluster) {
    refuseIfHeldByOther(existing, claim.clusterUid);
    return sameIsolation(existing, claim, "own");
  }
  if (!sameOperator && existing.state === "active") {
    const whose = sameCluster
      ? `operator ${operatorName(existing.clusterUid)}`
      : `another cluster (${existing.clusterUid})`;
    throw new SchemaClaimedByOther(
      `Tenant ${name} of ${whose} holds this name in the database: give each cluster its own database, or delete the other Tenant`,
    );
  }
  if (claim.adopt) return sameIsolation(existing, claim, "adopt");
  throw new RetainedByEarlierTenant(
    `an earlier Tenant ${name} (UID ${existing.uid}) left its data in schema ${existing.id}: annotate this one with agentpg.dev/adopt=true to take the data over, or have it deleted first`,
  );
}

/** Only its own operator writes to a tenant. @throws HeldByOtherOperator */
export function refuseIfHeldByOther({ name, clusterUid }: TenantRecord, own: string): void {
  if (clusterUid === own) return;
  throw new HeldByOtherOperator(
    `Tenant ${JSON.stringify(name)} belongs to the operator ${operatorName(clusterUid)} of this cluster: only that one writes to it`,
  );
}

/** Data is not moved from one to the other. */
function sameIsolation<T>({ id, isolation }: TenantRecord, claim: Claim, outcome: T): T {
  if (isolation === claim.isolation) return outcome;
  const [is, was] =
    isolation === "database" ? ["a database of its own", "Database"] : ["a schema of the shared database", "Schema"];
  throw new IsolationDiffers(
    `the data of Tenant ${JSON.stringify(claim.name)} is in ${is} (${id}): create the Tenant with database.isolation: ${was}`,
  );
}

export type ClaimResult = { record: TenantRecord; outcome: "new" | "own" | "adopt" };

/** Claims a schema for the Tenant, in the transaction that makes it. The row stays locked until the transaction ends. */
export async function claimTenant(client: Queryable, claim: Claim): Promise<ClaimResult> {
  for (;;) {
    const created = await insertTenant(client, claim);
    if (created) return { record: created, outcome: "new" };
    const { rows } = await client.query<Row>(
      `SELECT ${COLUMNS} FROM agentpg_operator.tenant WHERE tenant_uid = $1 OR tenant_name = $2 ORDER BY tenant_uid = $1 DESC FOR UPDATE`,
      [claim.uid, claim.name],
    );
    // Deleted between the two statements: then the name is free now.
    if (!rows[0]) continue;
    const existing = record(rows[0]);
    const outcome = judgeClaim(existing, claim);
    const sameWriter = existing.clusterUid === claim.clusterUid && existing.epoch === claim.epoch;
    const isCurrent = outcome === "own" && existing.state === "active" && sameWriter;
    return { record: isCurrent ? existing : await renewClaim(client, existing.id, claim), outcome };
  }
}

async function insertTenant(client: Queryable, claim: Claim): Promise<TenantRecord | undefined> {
  const { rows } = await client.query<Row>(
    `INSERT INTO agentpg_operator.tenant (id, tenant_uid, tenant_name, namespace, cluster_uid, epoch, isolation)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
    [
      `t_${randomBytes(6).toString("hex")}`,
      claim.uid,
      claim.name,
      claim.namespace,
      claim.clusterUid,
      claim.epoch,
      claim.isolation,
    ],
  );
  return rows[0] && record(rows[0]);
}

async function renewClaim(client: Queryable, id: string, claim: Claim): Promise<TenantRecord> {
  const { rows } = await client.query<Row>(
    `UPDATE agentpg_operator.tenant
        SET tenant_uid = $2, cluster_uid = $3, namespace = $4, epoch = $5, state = 'active', retained_at = NULL, updated_at = now()
      WHERE id = $1 RETURNING ${COLUMNS}`,
    [id, claim.uid, claim.clusterUid, claim.namespace, claim.epoch],
  );
  return record(rows[0] as Row);
}

/** Of a closed tenant: no password is left, and no change of logins goes on. */
const NO_CREDENTIALS = "credentials_revision = NULL, password_changed_at = NULL, rotation = NULL";

/** The Tenant's data stays, nobody uses it. */
export async function markRetained(client: Queryable, id: string, epoch: number): Promise<void> {
  await client.query(
    `UPDATE agentpg_operator.tenant SET state = 'retained', retained_at = now(), updated_at = now(), epoch = $2, ${NO_CREDENTIALS} WHERE id = $1 AND state <> 'retained'`,
    [id, epoch],
  );
}

/** What deleted Tenants of this cluster left, and what is being deleted, by name. */
export async function retainedTenants(client: Queryable, clusterUid: string): Promise<TenantRecord[]> {
  const { rows } = await client.query<Row>(
    `SELECT ${COLUMNS} FROM agentpg_operator.tenant WHERE cluster_uid = $1 AND state <> 'active' ORDER BY tenant_name`,
    [clusterUid],
  );
  return rows.map(record);
}

/** The claims of this cluster that a Tenant should stand behind: its data is in use, or is being deleted. */
export async function openClaims(client: Queryable, clusterUid: string): Promise<TenantRecord[]> {
  const { rows } = await client.query<Row>(
    `SELECT ${COLUMNS} FROM agentpg_operator.tenant WHERE cluster_uid = $1 AND state <> 'retained' ORDER BY tenant_name`,
    [clusterUid],
  );
  return rows.map(record);
}

/** From here on there is no way back: nothing may use the tenant's data again. */
export async function markDeleting(client: Queryable, id: string, epoch: number): Promise<void> {
  await client.query(
    `UPDATE agentpg_operator.tenant SET state = 'deleting', retained_at = NULL, updated_at = now(), epoch = $2, ${NO_CREDENTIALS} WHERE id = $1 AND state <> 'deleting'`,
    [id, epoch],
  );
}

export async function recordSchemaVersion(
  client: Queryable,
  id: string,
  version: number,
  epoch: number,
): Promise<void> {
  await client.query(
    "UPDATE agentpg_operator.tenant SET schema_version = $2, epoch = $3, updated_at = now() WHERE id = $1",
    [id, version, epoch],
  );
}

export async function forgetTenant(client: Queryable, id: string): Promise<void> {
  await client.query("DELETE FROM agentpg_operator.tenant WHERE id = $1", [id]);
}
