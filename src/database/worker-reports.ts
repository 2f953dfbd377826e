import { tenantDatabaseNames } from "../api/names.ts";
import { identifier } from "./quote.ts";
import type { Queryable } from "./session.ts";

/** What a runtime process last said of itself. */
export interface WorkerReport {
  pod: string;
  /** The revision of the database credentials that it uses. */
  credentials: string;
  problem: { reason: string; message: string } | undefined;
}

/** What the living processes of an agent say of themselves, the youngest first. Its transaction may be read-only. */
export async function workerReports(client: Queryable, tenantId: string, agent: string): Promise<WorkerReport[]> {
  const { owner, schema } = tenantDatabaseNames(tenantId);
  await client.query(`SET LOCAL ROLE ${identifier(owner)}`);
  const { rows } = await client.query<{
    report: { pod?: string; credentials?: string; problem?: WorkerReport["problem"] | null };
  }>(
    `SELECT report FROM ${identifier(schema)}.workers WHERE agent = $1 AND expires_at > now() ORDER BY started_at DESC`,
    [agent],
  );
  return rows.map(({ report }) => ({
    pod: report.pod ?? "",
    credentials: report.credentials ?? "",
    problem: report.problem ?? undefined,
  }));
}
