import { z } from "zod";
import { tenantDatabaseNames } from "../api/names.ts";
import { identifier } from "./quote.ts";
import type { Queryable } from "./session.ts";

/** A tenant's login can write its reports as it likes: only what has this form is believed to be one. */
const workerReport = z.object({
  pod: z.string().max(253),
  /** The revision of the database credentials that it uses. */
  credentials: z.string().max(64),
  problem: z.object({ reason: z.string().regex(/^[A-Z][A-Za-z]{1,63}$/), message: z.string().max(1024) }).nullable(),
});

/** What a runtime process last said of itself. */
export type WorkerReport = z.infer<typeof workerReport>;

/** What the living processes of an agent say of themselves, the youngest first. Its transaction may be read-only. */
export async function workerReports(client: Queryable, tenantId: string, agent: string): Promise<WorkerReport[]> {
  const { owner, schema } = tenantDatabaseNames(tenantId);
  await client.query(`SET LOCAL ROLE ${identifier(owner)}`);
  const { rows } = await client.query<{ report: unknown }>(
    `SELECT report FROM ${identifier(schema)}.workers WHERE agent = $1 AND expires_at > now() ORDER BY started_at DESC LIMIT 100`,
    [agent],
  );
  return rows.flatMap(({ report }) => workerReport.safeParse(report).data ?? []);
}
