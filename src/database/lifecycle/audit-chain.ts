import { createHash } from "node:crypto";

/** A row of the table `audit`. */
export interface AuditRow {
  seq: number;
  prevHash: Buffer;
  hash: Buffer;
  /** The text that was hashed, or a tombstone in its place. */
  record: string;
}

/** A point of the chain: a row's number and hash. */
export interface ChainPoint {
  seq: number;
  hash: Buffer;
}

export type AuditFault = {
  seq: number;
  fault: "stray" | "gap" | "link" | "changed" | "time" | "tombstone" | "truncated" | "anchor";
  message: string;
};

/** Faults that are told of one by one; of more, only how many there are. */
const MOST_FAULTS = 100;
/** Erasures that are remembered; a log of ours has far fewer, and somebody may have filled it with names of some. */
const MOST_ERASURES = 100_000;

/** A row whose text was held against its hash elsewhere. */
export interface CheckedAuditRow extends ChainPoint {
  prevHash: Buffer;
  /** The text gives the hash. */
  genuine: boolean;
  /** The time in the text is the row's. */
  timeFits: boolean;
  /** The text; its beginning is enough where it is no tombstone and tells of no erasure. */
  record: string;
}

const sha256 = (prev: Buffer, record: string): Buffer =>
  createHash("sha256").update(prev).update(record, "utf8").digest();

function parsed(record: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(record);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/**
 * The id of the erasure that a tombstone names (audit rows `data.erasure.*` name it too); undefined for other texts. A row that is
 * erased keeps its hash, so the chain holds, but its text is gone for good.
 */
export const erasureOf = (record: string): string | undefined => {
  const { erased } = record.startsWith('{"erased"') ? parsed(record) : {};
  return typeof erased === "string" ? erased : undefined;
};

/** A row as far as its place in the chain goes. */
export interface AuditLink extends ChainPoint {
  prevHash: Buffer;
  /** Its text gives its hash, or is a tombstone. What a tombstone is worth is for the whole chain to say. */
  textFits: boolean;
}

/** What is wrong with a row that stands behind `previous`. */
export function linkFault(previous: ChainPoint, row: AuditLink): AuditFault | undefined {
  const { seq } = row;
  if (seq <= previous.seq) return { seq, fault: "stray", message: `row ${seq} stands before the beginning of the log` };
  if (seq !== previous.seq + 1)
    return { seq, fault: "gap", message: `rows between ${previous.seq} and ${seq} are missing` };
  if (!row.prevHash.equals(previous.hash))
    return { seq, fault: "link", message: `row ${seq} does not follow the row before it` };
  if (row.textFits) return undefined;
  return { seq, fault: "changed", message: `row ${seq} is not what was written` };
}

/** What a chain says of one erasure. */
interface Erasure {
  tombstones: number;
  firstTombstone: number;
  lastTombstone: number;
  begun: boolean;
  /** The row that tells of its end, and how many rows it says were emptied. */
  completed?: { seq: number; auditRows: number };
}

/** An erasure that was cut short tells of its beginning only: how many tombstones it made is not known then. */
function isVouchedFor({ tombstones, lastTombstone, begun, completed }: Erasure): boolean {
  if (!completed) return begun;
  return tombstones <= completed.auditRows && lastTombstone < completed.seq;
}

/**
 * Verifies a chain row by row, in order: `add` each, then `finish`. A tombstone counts only if a row of the chain, whose own hash
 * holds, tells of its erasure, and there are not more of them than it says. Pure; keeps no rows.
 */
export class AuditVerifier {
  readonly #faults: AuditFault[] = [];
  #count = 0;
  readonly #erasures = new Map<string, Erasure>();
  #at: ChainPoint;

  /** @param start where the chain begins: what retention removed last (table `lifecycle`), or 0 and 32 zero bytes */
  constructor(start: ChainPoint) {
    this.#at = start;
  }

  add(row: AuditRow): void {
    this.check({ ...row, genuine: sha256(row.prevHash, row.record).equals(row.hash), timeFits: true });
  }

  /** As `add`, of a row whose text the database looked at. */
  check(row: CheckedAuditRow): void {
    const { seq, hash, genuine, timeFits } = row;
    const textFits = genuine || erasureOf(row.record) !== undefined;
    const fault = linkFault(this.#at, { ...row, textFits });
    if (fault) this.fault(fault);
    else if (!timeFits) this.fault({ seq, fault: "time", message: `row ${seq} has another time than its text` });
    if (fault?.fault === "stray") return;
    this.#at = { seq, hash };
    if (genuine) this.#vouch(row);
    else this.#bury(row);
  }

  /** How many faults there are, told of or not. */
  get count(): number {
    return this.#count;
  }

  fault(fault: AuditFault): void {
    this.#count++;
    if (this.#faults.length < MOST_FAULTS) this.#faults.push(fault);
  }

  /** The faults, in order, as far as they are told of one by one. @param head where the chain has to end (`audit_head`) */
  finish(head: ChainPoint): AuditFault[] {
    for (const [id, it] of this.#erasures) {
      if (it.tombstones === 0 || isVouchedFor(it)) continue;
      this.fault({
        seq: it.firstTombstone,
        fault: "tombstone",
        message: `${it.tombstones} rows were emptied in the name of erasure ${id.slice(0, 64)}, and the log does not tell of that many`,
      });
    }
    if (head.seq !== this.#at.seq || !head.hash.equals(this.#at.hash))
      this.fault({
        seq: this.#at.seq,
        fault: "truncated",
        message: `the chain ends at row ${this.#at.seq}, and its head says ${head.seq}`,
      });
    return this.#faults.toSorted((a, b) => a.seq - b.seq);
  }

  #erasure(id: string): Erasure | undefined {
    const known = this.#erasures.get(id);
    if (known) return known;
    if (this.#erasures.size >= MOST_ERASURES) return undefined;
    const fresh = { tombstones: 0, firstTombstone: 0, lastTombstone: 0, begun: false };
    this.#erasures.set(id, fresh);
    return fresh;
  }

  #bury(row: CheckedAuditRow): void {
    const id = erasureOf(row.record);
    if (id === undefined) return;
    const erasure = this.#erasure(id);
    if (!erasure) {
      const { seq } = row;
      return this.fault({
        seq,
        fault: "tombstone",
        message: `row ${seq} is one of more erasures than any log tells of`,
      });
    }
    erasure.tombstones++;
    erasure.firstTombstone ||= row.seq;
    erasure.lastTombstone = row.seq;
  }

  #vouch({ seq, record }: CheckedAuditRow): void {
    if (!record.includes('"data.erasure.')) return;
    const { action, erasure: id, auditRows } = parsed(record);
    if (typeof id !== "string") return;
    const erasure = this.#erasure(id);
    if (!erasure) return;
    if (action === "data.erasure.begun") erasure.begun = true;
    if (action === "data.erasure.completed") erasure.completed = { seq, auditRows: Number(auditRows) };
  }
}
