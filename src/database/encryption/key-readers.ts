import { tenantDatabaseNames } from "../../api/names.ts";
import { actAs } from "../provisioning/apply.ts";
import { identifier } from "../quote.ts";
import type { Queryable, Sessions } from "../session.ts";

/**
 * How many living processes of the tenant report that they cannot read with this generation. Those that report nothing of
 * generations are older than encryption: they wait for none.
 */
export function processesWithout(sessions: Sessions, uid: string, generation: number): Promise<number> {
  return sessions.readTenant(uid, "asking which data keys the pods have", async (client, tenant) => {
    const names = tenantDatabaseNames(tenant.id);
    await actAs(client, names.owner);
    return countWithout(client, `${identifier(names.schema)}.workers`, generation);
  });
}

/** A tenant's login can write what it likes in a report: it is compared, and nothing else is done with it. */
async function countWithout(client: Queryable, workers: string, generation: number): Promise<number> {
  const { rows } = await client.query<{ count: string }>(
    `SELECT count(*) FROM ${workers}
     WHERE expires_at > now() AND pg_column_size(report) <= 8192 AND jsonb_typeof(report->'transcriptKeys') = 'array'
       AND NOT report->'transcriptKeys' @> to_jsonb($1::integer)`,
    [generation],
  );
  return Number(rows[0]?.count);
}
