import { DatabaseOutage } from "../errors.ts";
import type { AgentDatabase } from "./database.ts";

/**
 * Behind a pooler in transaction mode names resolve by the settings of the login alone, as the operator makes them.
 * @throws DatabaseOutage when the tenant's schema is not the first in them
 */
export async function requireSearchPath(db: AgentDatabase): Promise<void> {
  if (!db.settings.pooler) return;
  const [row] = await db.query<{ schema: string | null; login: string }>(
    "search_path",
    "SELECT current_schema() AS schema, session_user AS login",
  );
  if (row?.schema === db.schema) return;
  throw new DatabaseOutage(
    `behind a pooler the login itself has to find the schema ${db.schema}: ALTER ROLE ${row?.login} SET search_path = ${db.schema}, pg_temp, and reconnect the pooler`,
  );
}
