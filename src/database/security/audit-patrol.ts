import { type AuditLink, type ChainPoint, linkFault } from "../lifecycle/audit-chain.ts";
import { chainStart } from "../lifecycle/remove-audit.ts";
import type { Queryable } from "../session.ts";

/** Rows of one round. */
export const PATROLLED_ROWS = 5_000;

/** What a round over old rows found. */
export interface AuditPatrol {
  /** What is wrong, or undefined. */
  fault: string | undefined;
  /** The number of the row at which the next round begins; 0: at the beginning of the log. */
  next: number;
}

/** The server hashes: a row that somebody made huge does not leave it. */
async function rowsFrom(client: Queryable, seq: number): Promise<AuditLink[]> {
  const { rows } = await client.query<{ seq: string; prevHash: Buffer; hash: Buffer; textFits: boolean }>(
    `SELECT seq, substr(prev_hash, 1, 33) AS "prevHash", substr(hash, 1, 33) AS hash,
            record LIKE '{"erased"%' OR sha256(prev_hash || convert_to(record, 'UTF8')) = hash AS "textFits"
       FROM audit WHERE seq >= $1 ORDER BY seq LIMIT $2`,
    [seq, PATROLLED_ROWS],
  );
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }));
}

/** What is wrong with rows that stand behind `before`; undefined: of the first of them only its own text is judged. Pure. */
export function patrolFault(rows: readonly AuditLink[], before: ChainPoint | undefined): string | undefined {
  let previous = before;
  for (const row of rows) {
    const fault = linkFault(previous ?? { seq: row.seq - 1, hash: row.prevHash }, row);
    if (fault) return fault.message;
    previous = row;
  }
  return undefined;
}

/**
 * Looks at old rows again, some at a time and in turn: what was found whole once may have been changed since. What a tombstone is worth is
 * for a whole verification to say. The client acts as the tenant's owner, in its schema, in one snapshot.
 * @param from the `next` of the round before
 */
export async function patrolAudit(client: Queryable, from: number): Promise<AuditPatrol> {
  const start = await chainStart(client);
  const isInside = from > start.seq;
  const rows = await rowsFrom(client, isInside ? from : start.seq + 1);
  const last = rows.at(-1);
  // The last row is the next round's first, so that no link between two rounds is left out.
  const next = last && rows.length === PATROLLED_ROWS ? last.seq : 0;
  return { fault: patrolFault(rows, isInside ? undefined : start), next };
}
