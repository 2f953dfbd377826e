import { type AuditLink, type ChainPoint, linkFault } from "../lifecycle/audit-chain.ts";
import { chainStart } from "../lifecycle/remove-audit.ts";
import type { Queryable } from "../session.ts";

/** Rows that one look verifies: the newest. `agentpg audit verify` looks at all. */
const ROWS = 1_000;

export interface AuditState {
  /** What is wrong with the end of the chain, or undefined. */
  fault: string | undefined;
  /** false: nothing was ever written. */
  begun: boolean;
}

/** The server hashes: a row that somebody made huge does not leave it. */
async function newestRows(client: Queryable): Promise<AuditLink[]> {
  const { rows } = await client.query<{ seq: string; prevHash: Buffer; hash: Buffer; textFits: boolean }>(
    `SELECT seq, substr(prev_hash, 1, 33) AS "prevHash", substr(hash, 1, 33) AS hash,
            record LIKE '{"erased"%' OR sha256(prev_hash || convert_to(record, 'UTF8')) = hash AS "textFits"
       FROM audit ORDER BY seq DESC LIMIT $1`,
    [ROWS],
  );
  return rows.map((row) => ({ ...row, seq: Number(row.seq) })).toReversed();
}

async function chainHead(client: Queryable): Promise<ChainPoint | undefined> {
  const { rows } = await client.query<{ seq: string; hash: Buffer }>(
    "SELECT seq, substr(hash, 1, 33) AS hash FROM audit_head",
  );
  return rows[0] && { seq: Number(rows[0].seq), hash: rows[0].hash };
}

/** What is wrong with these rows, the end of the chain, or undefined. Pure. */
export function chainFault(
  rows: readonly AuditLink[],
  start: ChainPoint,
  head: ChainPoint | undefined,
): string | undefined {
  if (!head) return "its head (audit_head) is gone";
  let previous: ChainPoint | undefined = rows.length < ROWS ? start : undefined;
  for (const row of rows) {
    // Of the oldest that is looked at, only its own text is judged: the row before it was not read.
    const before = previous ?? { seq: row.seq - 1, hash: row.prevHash };
    const fault = linkFault(before, row);
    if (fault) return fault.message;
    previous = row;
  }
  const end = previous ?? start;
  if (head.seq === end.seq && head.hash.equals(end.hash)) return undefined;
  return `the chain ends at row ${end.seq}, and its head says ${head.seq}`;
}

/** The end of the tenant's audit chain, verified. The client acts as the tenant's owner, in its schema, in one snapshot. */
export async function auditState(client: Queryable): Promise<AuditState> {
  const [rows, start, head] = [await newestRows(client), await chainStart(client), await chainHead(client)];
  return { fault: chainFault(rows, start, head), begun: (head?.seq ?? 0) > 0 };
}
