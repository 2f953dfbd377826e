import { StaleEpoch } from "./errors.ts";
import type { Queryable } from "./session.ts";

/** Makes `holder` the leader of its cluster; waits for transactions that the leader before still has open. Returns the new epoch. */
export async function acquireEpoch(client: Queryable, clusterUid: string, holder: string): Promise<number> {
  const { rows } = await client.query<{ epoch: string }>(
    `INSERT INTO agentpg_operator.leader AS l (cluster_uid, epoch, holder) VALUES ($1, 1, $2)
     ON CONFLICT (cluster_uid) DO UPDATE SET epoch = l.epoch + 1, holder = excluded.holder, acquired_at = now()
     RETURNING epoch`,
    [clusterUid, holder],
  );
  return Number(rows[0]?.epoch);
}

/**
 * Holds the leader's row until the transaction ends, so that no newer leader can start while it writes.
 * A lease alone does not fence: a leader that was paused would go on writing after it woke up.
 * @throws StaleEpoch if there is a newer leader
 */
export async function assertEpoch(client: Queryable, clusterUid: string, epoch: number): Promise<void> {
  const { rows } = await client.query<{ epoch: string; holder: string }>(
    "SELECT epoch, holder FROM agentpg_operator.leader WHERE cluster_uid = $1 FOR SHARE",
    [clusterUid],
  );
  const current = rows[0];
  if (current && Number(current.epoch) === epoch) return;
  throw new StaleEpoch(
    current
      ? `leader epoch ${epoch} is over: ${current.holder} leads with epoch ${current.epoch}; this process must stop and let it work`
      : `leader epoch ${epoch} was never given out in this database: acquire one first`,
  );
}
