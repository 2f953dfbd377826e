import { createHash } from "node:crypto";
import type { Queryable } from "../session.ts";

/** Whose rows: one conversation's, or one end user's with all agents. */
export type Subject = { session: string } | { user: string };

/** The subject as the audit log names it: who knows the id can find its erasure, who does not learns no id. */
export const subjectHash = (tenantUid: string, subject: Subject): string =>
  createHash("sha256")
    .update(JSON.stringify([tenantUid, subject]))
    .digest("hex");

/** How many sessions one look gives at most: their ids are held in memory. */
export const MOST_SESSIONS = 50_000;

/** The subject's sessions, with those that other agents opened for its runs, at any depth; the first {@link MOST_SESSIONS}. */
export async function sessionsOf(client: Queryable, subject: Subject): Promise<string[]> {
  const [column, value] = "session" in subject ? ["id", subject.session] : ["user_id", subject.user];
  const { rows } = await client.query<{ id: string }>(
    `WITH RECURSIVE found AS (
       SELECT id FROM sessions WHERE ${column} = $1
       UNION
       SELECT child.session_id FROM found f JOIN runs r ON r.session_id = f.id JOIN runs child ON child.parent_run = r.id
     ) SELECT id FROM found ORDER BY id LIMIT ${MOST_SESSIONS}`,
    [value],
  );
  return rows.map((it) => it.id);
}

/** So many brackets at most can be nested without exhausting the server's stack, which no check of JSON survives. */
const MOST_BRACKETS = 3_000;
/** Longer texts take the server too long to look into, time and again. */
const MOST_BYTES = 1 << 20;

/** SQL: whether the text of a row `a` is to be read as JSON. */
export const IS_READABLE = `CASE WHEN octet_length(a.record) > ${MOST_BYTES} THEN false
  WHEN octet_length(a.record) - octet_length(translate(a.record, '[{', '')) > ${MOST_BRACKETS} THEN false
  ELSE pg_input_is_valid(a.record, 'jsonb') END`;

/**
 * SQL over a row `a` of the audit log: whether it is of this user ($1, or null) or of one of these sessions ($2). The runtime's
 * login may append any text. What is no JSON, too deep or too long to look into is judged by how it
 * begins: that is where the runtime has both.
 */
export const AUDIT_OF_SUBJECT = `CASE WHEN ${IS_READABLE}
  THEN coalesce(a.record::jsonb->>'user' = $1::text OR a.record::jsonb->>'session' = ANY($2::text[]), false)
  ELSE coalesce(position('"user":' || to_json($1::text)::text in left(a.record, 4096)) > 0, false)
    OR EXISTS (SELECT FROM unnest($2::text[]) s WHERE position('"session":' || to_json(s)::text in left(a.record, 4096)) > 0) END`;

/** The parameters of {@link AUDIT_OF_SUBJECT}. A user's rows all name the user, those of nested sessions too. */
export const auditValues = (subject: Subject, sessions: string[]): [string | null, string[]] =>
  "session" in subject ? [null, [...new Set([subject.session, ...sessions])]] : [subject.user, []];
