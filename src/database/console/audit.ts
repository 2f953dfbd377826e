import type { Queryable } from "../runs/database.ts";
import { isoTime } from "./time.ts";

export interface AuditLine {
  seq: number;
  at: string;
  /** The text that was hashed; its beginning when it is long. */
  record: string;
  /** The text gives the hash, and the row before has the hash that this one names; a tombstone's text is gone. */
  intact: boolean;
}

interface Row extends Omit<AuditLine, "seq" | "at"> {
  seq: string;
  at: Date;
}

/** The last rows before `before` (null: the end), the newest first. Where retention has removed the row before, that link is not judged. */
export async function auditPage(db: Queryable, before: number | null, limit: number): Promise<AuditLine[]> {
  const rows = await db.query<Row>(
    "console_audit",
    `SELECT a.seq, a.at, left(a.record, 4096) AS record,
            (a.record LIKE '{"erased"%' OR sha256(a.prev_hash || convert_to(a.record, 'UTF8')) = a.hash)
              AND coalesce((SELECT p.hash FROM audit p WHERE p.seq = a.seq - 1), a.prev_hash) = a.prev_hash AS intact
     FROM (SELECT * FROM audit WHERE $1::bigint IS NULL OR seq < $1 ORDER BY seq DESC LIMIT $2) a ORDER BY a.seq DESC`,
    [before, limit],
  );
  return rows.map((row) => ({ ...row, seq: Number(row.seq), at: isoTime(row.at) }));
}

/** Where the log ends. Its hash is worth keeping elsewhere. */
export async function auditEnd(db: Queryable): Promise<{ seq: number; hash: string }> {
  const [row] = await db.query<{ seq: string; hash: string }>(
    "console_audit_end",
    "SELECT seq, encode(substr(hash, 1, 32), 'hex') AS hash FROM audit_head",
  );
  return { seq: Number(row?.seq ?? 0), hash: row?.hash ?? "" };
}
