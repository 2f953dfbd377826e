import { randomBytes } from "node:crypto";
import { RetainedByEarlierTenant, SchemaClaimedByOther, TenantBeingDeleted } from "./errors.ts";
import type { Queryable } from "./session.ts";

export interface TenantIdentity {
  /** metadata.uid of the Tenant. */
  uid: string;
  name: string;
  namespace: string;
}

export type Login = "a" | "b";

/** A row of the registry: who has which schema. */
export interface TenantRecord extends TenantIdentity {
  /** `t_` and 12 hex digits; see {@link tenantDatabaseNames}. */
  id: string;
  clusterUid: string;
  /** retained: the Tenant is gone, its data stays and the logins are closed. */
  state: "active" | "retained" | "deleting";
  activeLogin: Login;
  /** Epoch of the leader that wrote last. */
  epoch: number;
  schemaVersion: number;
  createdAt: Date;
  updatedAt: Date;
  retainedAt: Date | undefined;
}

const COLUMNS = `id, tenant_uid AS uid, tenant_name AS name, namespace, cluster_uid AS "clusterUid", state, active_login AS "activeLogin",
  epoch, schema_version AS "schemaVersion", created_at AS "createdAt", updated_at AS "updatedAt", retained_at AS "retainedAt"`;

type Row = Omit<TenantRecord, "epoch" | "retainedAt"> & { epoch: string; retainedAt: Date | null };
const record = (row: Row): TenantRecord => ({
  ...row,
  epoch: Number(row.epoch),
  retainedAt: row.retainedAt ?? undefined,
});

export async function tenantByUid(client: Queryable, uid: string): Promise<TenantRecord | undefined> {
  const { rows } = await client.query<Row>(`SELECT ${COLUMNS} FROM agentpg_operator.tenant WHERE tenant_uid = $1`, [
    uid,
  ]);
  return rows[0] && record(rows[0]);
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
}

/**
 * What an existing row of this name or UID means for somebody who claims it. Pure.
 * @throws SchemaClaimedByOther, RetainedByEarlierTenant, TenantBeingDeleted when the claim has to be refused
 */
export function judgeClaim(existing: TenantRecord, claim: Claim): "own" | "adopt" {
  const name = JSON.stringify(claim.name);
  const sameCluster = existing.clusterUid === claim.clusterUid;
  if (existing.state === "deleting") {
    throw new TenantBeingDeleted(
      `the data of an earlier Tenant ${name} is being deleted (${existing.id}): this Tenant gets its own once that is done`,
    );
  }
  if (existing.uid === claim.uid && sameCluster) return "own";
  if (!sameCluster && existing.state === "active") {
    throw new SchemaClaimedByOther(
      `Tenant ${name} of another cluster (${existing.clusterUid}) holds this name in the database: give each cluster its own database, or delete the other Tenant`,
    );
  }
  if (claim.adopt) return "adopt";
  throw new RetainedByEarlierTenant(
    `an earlier Tenant ${name} (UID ${existing.uid}) left its data in schema ${existing.id}: annotate this one with agentpg.dev/adopt=true to take the data over, or have it deleted first`,
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
    const isCurrent = outcome === "own" && existing.state === "active" && existing.epoch === claim.epoch;
    return { record: isCurrent ? existing : await takeOver(client, existing.id, claim), outcome };
  }
}

async function insertTenant(client: Queryable, claim: Claim): Promise<TenantRecord | undefined> {
  const { rows } = await client.query<Row>(
    `INSERT INTO agentpg_operator.tenant (id, tenant_uid, tenant_name, namespace, cluster_uid, epoch)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
    [`t_${randomBytes(6).toString("hex")}`, claim.uid, claim.name, claim.namespace, claim.clusterUid, claim.epoch],
  );
  return rows[0] && record(rows[0]);
}

async function takeOver(client: Queryable, id: string, claim: Claim): Promise<TenantRecord> {
  const { rows } = await client.query<Row>(
    `UPDATE agentpg_operator.tenant
        SET tenant_uid = $2, cluster_uid = $3, namespace = $4, epoch = $5, state = 'active', retained_at = NULL, updated_at = now()
      WHERE id = $1 RETURNING ${COLUMNS}`,
    [id, claim.uid, claim.clusterUid, claim.namespace, claim.epoch],
  );
  return record(rows[0] as Row);
}

/** The Tenant's data stays, nobody uses it. */
export async function markRetained(client: Queryable, id: string, epoch: number): Promise<void> {
  await client.query(
    `UPDATE agentpg_operator.tenant SET state = 'retained', retained_at = now(), updated_at = now(), epoch = $2 WHERE id = $1 AND state <> 'retained'`,
    [id, epoch],
  );
}

/** From here on there is no way back: nothing may use the tenant's data again. */
export async function markDeleting(client: Queryable, id: string, epoch: number): Promise<void> {
  await client.query(
    `UPDATE agentpg_operator.tenant SET state = 'deleting', retained_at = NULL, updated_at = now(), epoch = $2 WHERE id = $1 AND state <> 'deleting'`,
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
