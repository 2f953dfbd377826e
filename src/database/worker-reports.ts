import { z } from "zod";
import { type SchemaName, tenantDatabaseNames } from "../api/names.ts";
import { actAs, readAs } from "./provisioning/apply.ts";
import { identifier } from "./quote.ts";
import type { Queryable } from "./session.ts";

/** What a process proved of itself; see `src/runtime/security-report.ts`. */
const workerSecurity = z.object({
  /** The configuration that it runs with, as the Agent's status names it. */
  config: z.string().max(64),
  tools: z.object({ all: z.int().min(0), refusing: z.int().min(0) }),
  errorsRedacted: z.boolean().nullable(),
  limits: z.object({ runsPerMinute: z.number(), concurrentRuns: z.number() }),
  encrypts: z.boolean(),
  pii: z.string().max(16),
});

/** A tenant's login can write its reports as it likes: only what has this form is believed to be one. */
const workerReport = z.object({
  pod: z.string().max(253),
  /** The revision of the database credentials that it uses. */
  credentials: z.string().max(64),
  problem: z.object({ reason: z.string().regex(/^[A-Z][A-Za-z]{1,63}$/), message: z.string().max(1024) }).nullable(),
  /** Missing from older versions. */
  security: workerSecurity.optional(),
});

/** Keeps reports that no honest process writes in the server: 100 of them, of up to 1 GB each, would fill the operator's memory. */
const OF_HONEST_SIZE = "CASE WHEN pg_column_size(report) > 8192 THEN false ELSE octet_length(report::text) <= 8192 END";

/** What a runtime process last said of itself. */
export type WorkerReport = z.infer<typeof workerReport>;

/**
 * What is wrong with each agent of a tenant, as the youngest of its living processes that has something to complain of puts it.
 * Its transaction may be read-only.
 */
export async function reportedProblems(
  client: Queryable,
  tenantId: string,
): Promise<(WorkerReport & { agent: string })[]> {
  const { owner, schema } = tenantDatabaseNames(tenantId);
  const rows = await readAs<{ agent: string; report: unknown }>(
    client,
    owner,
    `SELECT DISTINCT ON (agent) agent, report FROM ${identifier(schema)}.workers
      WHERE expires_at > now() AND CASE WHEN ${OF_HONEST_SIZE} THEN jsonb_typeof(report -> 'problem') = 'object' ELSE false END
      ORDER BY agent, started_at DESC LIMIT 1000`,
  );
  return rows.flatMap(({ agent, report }) => {
    const { data } = workerReport.safeParse(report);
    return data ? [{ agent, ...data }] : [];
  });
}

/** Living pods of the tenant, of all its agents, that report other credentials than these; 20 at most. Processes that know no revision are left out. */
export async function podsBehind(client: Queryable, tenantId: string, revision: string): Promise<string[]> {
  const { owner, schema } = tenantDatabaseNames(tenantId);
  await actAs(client, owner);
  const { rows } = await client.query<{ report: unknown }>(
    `SELECT report FROM ${identifier(schema)}.workers
      WHERE expires_at > now() AND report->>'credentials' NOT IN ($1, '') AND ${OF_HONEST_SIZE} LIMIT 20`,
    [revision],
  );
  return rows.flatMap(({ report }) => workerReport.safeParse(report).data?.pod ?? []);
}

/** Those of these pods that have not reported anything. */
export async function podsSilent(client: Queryable, tenantId: string, pods: string[]): Promise<string[]> {
  if (pods.length === 0) return [];
  const { owner, schema } = tenantDatabaseNames(tenantId);
  await actAs(client, owner);
  const { rows } = await client.query<{ pod: string }>(
    `SELECT DISTINCT report->>'pod' AS pod FROM ${identifier(schema)}.workers WHERE report->>'pod' = ANY($1)`,
    [pods],
  );
  return pods.filter((pod) => !rows.some((row) => row.pod === pod));
}

/** A living process' proofs; undefined: it is of a version that makes none, or it wrote something else. */
export interface SecurityReport {
  agent: string;
  security: z.infer<typeof workerSecurity> | undefined;
}

/** What the tenant's living processes proved of themselves, 1000 at most. The client acts as the tenant's owner. */
export async function securityReports(client: Queryable, schema: SchemaName): Promise<SecurityReport[]> {
  const { rows } = await client.query<{ agent: string; report: unknown }>(
    `SELECT agent, CASE WHEN ${OF_HONEST_SIZE} THEN report END AS report FROM ${identifier(schema)}.workers
      WHERE expires_at > now() ORDER BY agent, id LIMIT 1000`,
  );
  return rows.map(({ agent, report }) => ({ agent, security: workerReport.safeParse(report).data?.security }));
}
