import { setTimeout as sleep } from "node:timers/promises";
import { wakeChannel } from "../runs/wake.ts";
import { enterSchema } from "./enter-schema.ts";
import type { EraseWork } from "./erase-work.ts";

const POLL_MS = 250;

/**
 * Asks for the cancellation of the sessions' open runs, and waits until no living process works on one, or for `waitMs`. What
 * still runs then cannot write any more once its row is gone; waiting only lets tools and model calls end in good order.
 * Gives how many did not end in time.
 */
export async function endOpenRuns(work: EraseWork, ids: string[], waitMs: number): Promise<number> {
  if (!(await requestCancel(work, ids))) return 0;
  const deadline = Date.now() + waitMs;
  for (;;) {
    const left = await runsUnderWay(work, ids);
    if (left === 0 || Date.now() > deadline) return left;
    await work.progress({ stage: "waiting", runs: left });
    await sleep(POLL_MS, undefined, { signal: work.signal });
  }
}

function requestCancel(work: EraseWork, ids: string[]): Promise<boolean> {
  return work.sessions.writeTenant(work.uid, work.epoch, "cancelling runs", async (client, tenant) => {
    const { schema } = await enterSchema(client, tenant);
    const { rows } = await client.query<{ agent: string }>(
      `WITH asked AS (
         UPDATE runs SET cancel_requested = true
         WHERE session_id = ANY($1::uuid[]) AND state NOT IN ('completed', 'failed', 'cancelled') RETURNING agent
       ) SELECT DISTINCT left(agent, 63) AS agent FROM asked LIMIT 100`,
      [ids],
    );
    const channels = rows.map((it) => wakeChannel(schema, it.agent));
    await client.query("SELECT pg_notify(c, '') FROM unnest($1::text[]) c", [channels]);
    return rows.length > 0;
  });
}

function runsUnderWay(work: EraseWork, ids: string[]): Promise<number> {
  return work.sessions.readTenant(work.uid, "waiting for runs to end", async (client, tenant) => {
    await enterSchema(client, tenant);
    const { rows } = await client.query<{ count: string }>(
      `SELECT count(*) FROM runs r JOIN workers w ON w.id = r.lease_owner AND w.expires_at > now()
       WHERE r.session_id = ANY($1::uuid[]) AND r.state = 'running'`,
      [ids],
    );
    return Number(rows[0]?.count);
  });
}
