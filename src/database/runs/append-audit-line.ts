import type { Queryable } from "./database.ts";

/** Chains one line to the tenant's audit log, outside of a run's steps. */
export async function appendAuditLine(db: Queryable, line: { at: string; record: string }): Promise<void> {
  await db.query(
    "append_audit_line",
    `WITH head AS MATERIALIZED (
       SELECT seq, hash FROM audit_head FOR UPDATE
     ), link AS MATERIALIZED (
       SELECT seq + 1 AS seq, hash AS prev_hash, sha256(hash || convert_to($2::text, 'UTF8')) AS hash FROM head
     ), appended AS (
       INSERT INTO audit (seq, at, prev_hash, hash, record) SELECT seq, $1::timestamptz, prev_hash, hash, $2::text FROM link
     )
     UPDATE audit_head h SET seq = link.seq, hash = link.hash FROM link`,
    [line.at, line.record],
  );
}
