import type { Queryable } from "../session.ts";

/** A data key that only the holder of the key-encryption key `kek` can use. */
export interface WrappedDataKey {
  tenantId: string;
  generation: number;
  /** Names the key-encryption key. */
  kek: string;
  wrapped: Buffer;
  /** pending: pods can read with it and do not write with it yet · current: they do · former: only old rows are read with it. */
  state: "pending" | "current" | "former";
  /** The last request for a new generation when this one was made. */
  request: string | null;
  createdAt: Date;
  /** When it was seen to be in the tenant's Secret. */
  publishedAt: Date | null;
}

const COLUMNS = `k.tenant_id AS "tenantId", k.generation, k.kek, k.wrapped, k.state, k.request,
  k.created_at AS "createdAt", k.published_at AS "publishedAt"`;

/** The tenant's data keys, the oldest first. */
export async function dataKeysOf(client: Queryable, tenantId: string): Promise<WrappedDataKey[]> {
  const { rows } = await client.query<WrappedDataKey>(
    `SELECT ${COLUMNS} FROM agentpg_operator.data_key k WHERE k.tenant_id = $1 ORDER BY k.generation`,
    [tenantId],
  );
  return rows;
}

/** Does nothing if there is that generation already. */
export async function addDataKey(
  client: Queryable,
  tenantId: string,
  { generation, kek, wrapped, request }: Pick<WrappedDataKey, "generation" | "kek" | "wrapped" | "request">,
): Promise<void> {
  await client.query(
    `INSERT INTO agentpg_operator.data_key (tenant_id, generation, kek, wrapped, request) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING`,
    [tenantId, generation, kek, wrapped, request],
  );
}

/** Notes when the generations were first seen to be published. */
export async function notePublished(client: Queryable, tenantId: string, generations: number[]): Promise<void> {
  await client.query(
    `UPDATE agentpg_operator.data_key SET published_at = now()
     WHERE tenant_id = $1 AND generation = ANY($2::integer[]) AND published_at IS NULL`,
    [tenantId, generations],
  );
}

/** Lets pods write with the generation from now on. */
export async function makeCurrent(client: Queryable, tenantId: string, generation: number): Promise<void> {
  await client.query(
    "UPDATE agentpg_operator.data_key SET state = 'former' WHERE tenant_id = $1 AND state = 'current' AND generation < $2",
    [tenantId, generation],
  );
  await client.query(
    "UPDATE agentpg_operator.data_key SET state = 'current' WHERE tenant_id = $1 AND generation = $2 AND state = 'pending'",
    [tenantId, generation],
  );
}

/** Data keys of this cluster's tenants, of deleted ones that are retained too, that another key-encryption key wraps. */
export async function dataKeysNotUnder(
  client: Queryable,
  clusterUid: string,
  kek: string,
  limit: number,
): Promise<WrappedDataKey[]> {
  const { rows } = await client.query<WrappedDataKey>(
    `SELECT ${COLUMNS} FROM agentpg_operator.data_key k JOIN agentpg_operator.tenant t ON t.id = k.tenant_id
     WHERE t.cluster_uid = $1 AND k.kek <> $2 ORDER BY k.kek, k.tenant_id, k.generation LIMIT $3`,
    [clusterUid, kek, limit],
  );
  return rows;
}

/** How many data keys of this cluster's tenants each key-encryption key wraps. */
export async function countDataKeys(client: Queryable, clusterUid: string): Promise<Map<string, number>> {
  const { rows } = await client.query<{ kek: string; count: string }>(
    `SELECT k.kek, count(*) FROM agentpg_operator.data_key k JOIN agentpg_operator.tenant t ON t.id = k.tenant_id
     WHERE t.cluster_uid = $1 GROUP BY k.kek`,
    [clusterUid],
  );
  return new Map(rows.map((it) => [it.kek, Number(it.count)]));
}

/** Replaces the wrapping, if it still is what was read. Gives whether it was. */
export async function replaceWrapping(
  client: Queryable,
  old: WrappedDataKey,
  by: { kek: string; wrapped: Buffer },
): Promise<boolean> {
  const { rowCount } = await client.query(
    `UPDATE agentpg_operator.data_key SET kek = $4, wrapped = $5 WHERE tenant_id = $1 AND generation = $2 AND wrapped = $3`,
    [old.tenantId, old.generation, old.wrapped, by.kek, by.wrapped],
  );
  return rowCount === 1;
}
