import type { Environment } from "../ensure.ts";
import type { Queryable } from "../session.ts";
import { auditWindows, IN_WINDOW } from "./audit-windows.ts";
import { enterSchema } from "./enter-schema.ts";
import { numbers, type Removed } from "./removed.ts";
import { AUDIT_OF_SUBJECT, auditValues, MOST_SESSIONS, sessionsOf, type Subject } from "./subject.ts";

export interface SubjectCounts extends Removed {
  /** Runs that are not over. */
  openRuns: number;
  /** There are more sessions than were looked at. */
  atLeast: boolean;
}

/** What an erasure of the subject would take, from one snapshot; `auditRows` are those that it would empty. */
export function countSubject(environment: Environment, uid: string, subject: Subject): Promise<SubjectCounts> {
  return environment.sessions.readTenant(uid, "counting what there is", async (client, tenant) => {
    await enterSchema(client, tenant);
    const ids = await sessionsOf(client, subject);
    const { rows } = await client.query<Record<keyof Removed | "openRuns", string>>(
      `WITH r AS MATERIALIZED (SELECT id, finished_at FROM runs WHERE session_id = ANY($1::uuid[]))
       SELECT cardinality($1::uuid[]) AS sessions, (SELECT count(*) FROM r) AS runs,
              (SELECT count(*) FROM r WHERE finished_at IS NULL) AS "openRuns",
              (SELECT count(*) FROM messages WHERE session_id = ANY($1::uuid[])) AS messages,
              (SELECT count(*) FROM tool_executions t JOIN r ON t.run_id = r.id) AS "toolExecutions",
              (SELECT count(*) FROM message_archive WHERE session_id = ANY($1::uuid[])) AS "archivedMessages"`,
      [ids],
    );
    return {
      ...numbers(rows[0]),
      openRuns: Number(rows[0]?.openRuns),
      atLeast: ids.length === MOST_SESSIONS,
      auditRows: await countAudit(client, subject, ids),
    };
  });
}

/** Audit rows of the subject and its sessions. */
export async function countAudit(client: Queryable, subject: Subject, ids: string[]): Promise<number> {
  const values = auditValues(subject, ids);
  let count = 0;
  for await (const { from, until } of auditWindows(client)) {
    const { rows } = await client.query<{ count: string }>(
      `SELECT count(*) FROM audit a WHERE ${IN_WINDOW} AND ${AUDIT_OF_SUBJECT}`,
      [...values, from, until],
    );
    count += Number(rows[0]?.count);
  }
  return count;
}
