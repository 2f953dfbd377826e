import { namesOf, type TenantDatabase } from "./database.ts";

export interface ToolQueryResult {
  rows: Record<string, unknown>[];
  /** More rows than `maxRows` would have come. */
  cut: boolean;
}

/**
 * Runs a tool's statement as the tenant's tool role: read-only, in the tenant's data schema, one statement (extended protocol),
 * always rolled back, so that no role or setting stays behind on the connection.
 * @param timeoutMs the server ends the statement after that
 */
export function runToolQuery(
  db: TenantDatabase,
  statement: string,
  values: unknown[],
  limits: { maxRows: number; timeoutMs: number },
  signal?: AbortSignal,
): Promise<ToolQueryResult> {
  const { tool, dataSchema } = namesOf(db.schema);
  return db.withConnection(async (client) => {
    await client.query(
      `BEGIN READ ONLY; SET LOCAL ROLE ${tool}; SET LOCAL search_path = ${dataSchema}, pg_temp; SET LOCAL statement_timeout = ${Math.ceil(limits.timeoutMs)}`,
    );
    try {
      signal?.throwIfAborted();
      const rows = await firstRows(client, statement, values, limits.maxRows + 1);
      return { rows: rows.slice(0, limits.maxRows), cut: rows.length > limits.maxRows };
    } finally {
      await client.query("ROLLBACK");
    }
  });
}

type Client = Parameters<Parameters<TenantDatabase["withConnection"]>[0]>[0];

/** The `rows` option makes the server stop sending after so many rows; pg then leaves the portal, and ROLLBACK drops it. */
async function firstRows(client: Client, text: string, values: unknown[], most: number): Promise<Record<string, unknown>[]> {
  const result = await client.query({ text: `SELECT * FROM (${text.replace(/;\s*$/, "")}\n) tool_rows LIMIT ${most}`, values });
  return result.rows as Record<string, unknown>[];
}
