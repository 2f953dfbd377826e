import type { Queryable } from "./database.ts";

/** Who shares the connections that this login may have. */
export interface ConnectionLoad {
  /** Connections that the login may have in all; undefined: any number. */
  limit: number | undefined;
  /** Runtime processes of the tenant that are alive. */
  workers: number;
}

export async function connectionLoad(db: Queryable): Promise<ConnectionLoad> {
  const [row] = await db.query<{ limit: number; workers: number }>(
    "connection_load",
    `SELECT (SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user) AS "limit",
            (SELECT count(*)::integer FROM workers WHERE expires_at > now()) AS workers`,
  );
  const { limit = -1, workers = 0 } = row ?? {};
  return { limit: limit < 0 ? undefined : limit, workers };
}
