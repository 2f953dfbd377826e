import { clusterOf, lockTenant, operatorName, refuseIfHeldByOther } from "./registry.ts";
import type { Queryable } from "./session.ts";

/** Which operator of the cluster has a tenant. */
export interface Holder {
  clusterUid: string;
  /** See {@link operatorName}. */
  name: string;
  /** Which Tenants are that operator's, as a label selector; empty: all. */
  selector: string;
}

/** Undefined: nobody has it, in this database and cluster. */
export async function holderOf(client: Queryable, uid: string, clusterUid: string): Promise<Holder | undefined> {
  const { rows } = await client.query<{ clusterUid: string; selector: string }>(
    `SELECT t.cluster_uid AS "clusterUid", coalesce(l.selector, '') AS selector
       FROM agentpg_operator.tenant t LEFT JOIN agentpg_operator.leader l USING (cluster_uid) WHERE t.tenant_uid = $1`,
    [uid],
  );
  const [row] = rows;
  if (!row || clusterOf(row.clusterUid) !== clusterOf(clusterUid)) return undefined;
  return { ...row, name: operatorName(row.clusterUid) };
}

/**
 * Takes the tenant over from `from`, in the caller's fenced transaction. What that operator has under way waits for the row or is
 * refused after it. Nothing of the tenant changes but whose it is.
 * @throws HeldByOtherOperator when a third one was faster
 */
export async function takeOver(
  client: Queryable,
  uid: string,
  from: string,
  own: string,
  epoch: number,
): Promise<void> {
  const record = await lockTenant(client, uid);
  if (!record || record.clusterUid === own) return;
  refuseIfHeldByOther(record, from);
  await client.query(
    "UPDATE agentpg_operator.tenant SET cluster_uid = $2, epoch = $3, updated_at = now() WHERE id = $1",
    [record.id, own, epoch],
  );
}
