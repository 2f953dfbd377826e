import { StaleEpoch } from "./errors.ts";
import { hasOperatorSchema } from "./operator-schema.ts";
import type { Queryable } from "./session.ts";

/**
 * Makes `holder` the leader of its operator, whose Tenants `selector` picks; waits for transactions that the leader before still has open. Returns the new epoch:
 * the server's time in microseconds, and more than the epoch before. A count alone would be given out a second time after a
 * restore from an older backup, while a process that got it the first time may still run.
 */
export async function acquireEpoch(
  client: Queryable,
  clusterUid: string,
  holder: string,
  selector = "",
): Promise<number> {
  const { rows } = await client.query<{ epoch: string }>(
    `INSERT INTO agentpg_operator.leader AS l (cluster_uid, epoch, holder, selector)
     VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, $2, $3)
     ON CONFLICT (cluster_uid) DO UPDATE
       SET epoch = greatest(l.epoch + 1, excluded.epoch), holder = excluded.holder, selector = excluded.selector, acquired_at = now()
     RETURNING epoch`,
    [clusterUid, holder, selector],
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
  throw new StaleEpoch(whyStale(epoch, current && { holder: current.holder, epoch: Number(current.epoch) }));
}

/**
 * After something was not found. Nobody leads in a database that lost the registry: whoever starts anew makes it, and takes an epoch.
 * A leader that made it itself could be one from before, which does not know yet that another leads.
 * @throws StaleEpoch if the operator's own schema is gone
 */
export async function refuseWithoutRegistry(client: Queryable, epoch: number): Promise<void> {
  if (await hasOperatorSchema(client)) return;
  throw new StaleEpoch(
    `leader epoch ${epoch} is not in this database, which has lost the operator's schema agentpg_operator: it came back empty, or is another one; this process must stop, and the next leader makes the schema and takes a new epoch`,
  );
}

const whyStale = (epoch: number, current: { holder: string; epoch: number } | undefined): string =>
  current && current.epoch > epoch
    ? `leader epoch ${epoch} is over: ${current.holder} leads with epoch ${current.epoch}; this process must stop and let it work`
    : `leader epoch ${epoch} is not in this database, which is at ${current?.epoch ?? "none"}: it was restored from an older backup, or is another one; this process must stop, and the next leader takes a new epoch`;
