import type { Queryable } from "./database.ts";
import { OPEN_STATES, type RunState } from "./run.ts";

/** Notes that the run is to be cancelled; whoever works on it, or claims it next, ends it. Gives the state it was found in. */
export async function requestCancel(db: Queryable, runId: string): Promise<RunState | undefined> {
  const rows = await db.query<{ state: RunState }>(
    "request_cancel",
    `UPDATE runs SET cancel_requested = true
     WHERE id = $1 AND state IN ${OPEN_STATES}
     RETURNING state`,
    [runId],
  );
  return rows[0]?.state;
}
