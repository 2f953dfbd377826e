import type { Sessions } from "../session.ts";
import { numbers, type Removed } from "./removed.ts";

/** A tenant's last retention run that succeeded. */
export interface RetentionRun {
  uid: string;
  at: Date;
  removed: Removed;
}

/** The last runs of all tenants of this cluster that had one. */
export function retentionRuns(sessions: Sessions, clusterUid: string): Promise<RetentionRun[]> {
  return sessions.read("reading when retention ran", async (client) => {
    const { rows } = await client.query<{ uid: string; at: Date; removed: Partial<Removed> }>(
      `SELECT t.tenant_uid AS uid, r.ran_at AS at, r.removed FROM agentpg_operator.retention r
         JOIN agentpg_operator.tenant t ON t.id = r.tenant_id WHERE t.cluster_uid = $1 AND t.state = 'active'`,
      [clusterUid],
    );
    return rows.map((row) => ({ ...row, removed: numbers(row.removed) }));
  });
}

/** Kept in the registry, so that a restart does not run it again. */
export function recordRetentionRun(
  sessions: Sessions,
  uid: string,
  epoch: number,
  removed: Removed,
): Promise<RetentionRun> {
  return sessions.fenced(epoch, "recording that retention ran", async (client) => {
    const { rows } = await client.query<{ at: Date }>(
      `INSERT INTO agentpg_operator.retention AS r (tenant_id, ran_at, removed)
       SELECT id, now(), $2::jsonb FROM agentpg_operator.tenant WHERE tenant_uid = $1
       ON CONFLICT (tenant_id) DO UPDATE SET ran_at = excluded.ran_at, removed = excluded.removed
       RETURNING ran_at AS at`,
      [uid, JSON.stringify(removed)],
    );
    return { uid, at: rows[0]?.at ?? new Date(), removed };
  });
}
