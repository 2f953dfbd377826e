import type { Environment } from "../ensure.ts";
import type { Queryable } from "../session.ts";
import { type AuditAnchor, auditAnchor, moveAnchor } from "./audit-anchor.ts";
import { type AuditFault, AuditVerifier, type ChainPoint, type CheckedAuditRow } from "./audit-chain.ts";
import { FIRST_AUDIT_ROW } from "./audit-windows.ts";
import { enterSchema } from "./enter-schema.ts";
import { chainStart } from "./remove-audit.ts";

export interface AuditVerification {
  uid: string;
  /** Rows that were looked at. */
  rows: number;
  /** Where the log begins (what retention removed last), and where it ends. Hashes in hexadecimal. */
  start: { seq: number; hash: string };
  head: { seq: number; hash: string };
  /** Where it ended when it was last found whole; null: it never was. */
  anchor: { seq: number; hash: string; verifiedAt: string } | null;
  /** The first hundred, in order. */
  faults: AuditFault[];
  faultCount: number;
}

export interface VerifyOptions {
  /** `start`: the whole log. `anchor`: what came since it was last found whole; the whole log when it never was. */
  from: "start" | "anchor";
  /** A point of the log that was kept elsewhere: the log has to have it, or to have been cut by retention behind it. */
  expected?: ChainPoint | undefined;
  /** The log is held against no anchor, and the anchor is set anew: a backup was restored. */
  anew?: boolean;
  signal: AbortSignal;
  /** Hears how far it is: rows looked at, and about how many there are. */
  progress?(at: { rows: number; of: number }): Promise<void>;
}

/** The largest number of a row: somebody may have put it in. */
const LAST_POSSIBLE = "9223372036854775807";
/** Rows of one statement. */
const WINDOW = 5_000;
/** A reader of the answer that is slow for longer loses the snapshot. */
const SLOW_READER = "5min";

/**
 * Verifies a tenant's audit log in one snapshot, window by window: any row that was changed, removed, put in or exchanged since the
 * log was written, and an end that was cut off. A log that is whole moves the anchor to its end.
 * @throws DatabaseError; the signal's reason
 */
export async function verifyAudit(
  { sessions }: Environment,
  uid: string,
  epoch: number,
  options: VerifyOptions,
): Promise<AuditVerification> {
  const anchor = options.anew ? undefined : await auditAnchor(sessions, uid);
  const { result, head } = await sessions.readTenant(uid, "verifying the audit log", async (client, tenant) => {
    await enterSchema(client, tenant);
    await client.query(`SET LOCAL idle_in_transaction_session_timeout = '${SLOW_READER}'`);
    return verifySnapshot(client, uid, anchor, options);
  });
  const isThere = options.from === "anchor" && anchor?.seq === head.seq; // whoever looks again and again writes nothing then
  if (result.faultCount === 0 && !isThere) await moveAnchor(sessions, uid, epoch, head, options.anew ?? false);
  return result;
}

async function verifySnapshot(
  client: Queryable,
  uid: string,
  anchor: AuditAnchor | undefined,
  { from, expected, signal, progress }: VerifyOptions,
): Promise<{ result: AuditVerification; head: ChainPoint }> {
  const start = await chainStart(client);
  const head = await chainHead(client);
  const isCut = anchor === undefined || anchor.seq <= start.seq;
  const begin = from === "anchor" && !isCut ? anchor : start;
  const verifier = new AuditVerifier(begin);
  let rows = 0;
  for await (const window of windowsFrom(client, begin === start ? FIRST_AUDIT_ROW : String(begin.seq + 1))) {
    for (const row of window) verifier.check(row);
    rows += window.length;
    signal.throwIfAborted();
    await progress?.({ rows, of: Math.max(rows, head.seq - begin.seq) });
  }
  for (const point of [anchor, expected]) if (point) await hold(client, verifier, point, start);
  const faults = verifier.finish(head);
  const result = {
    uid,
    rows,
    start: shown(start),
    head: shown(head),
    anchor: anchor ? { ...shown(anchor), verifiedAt: anchor.verifiedAt.toISOString() } : null,
    faults,
    faultCount: verifier.count,
  };
  return { result, head };
}

const shown = ({ seq, hash }: ChainPoint) => ({ seq, hash: hash.toString("hex") });

/** The head as the tenant's login left it: it may have any length. */
async function chainHead(client: Queryable): Promise<ChainPoint> {
  const { rows } = await client.query<{ seq: string; hash: Buffer }>(
    "SELECT seq, substr(hash, 1, 33) AS hash FROM audit_head",
  );
  return { seq: Number(rows[0]?.seq ?? -1), hash: rows[0]?.hash ?? Buffer.alloc(0) };
}

/** A point that the log had once has to be in it still, unless retention removed it. */
async function hold(client: Queryable, verifier: AuditVerifier, point: ChainPoint, start: ChainPoint): Promise<void> {
  const { seq, hash } = point;
  if (seq < start.seq) return;
  if (seq === start.seq) {
    if (!start.hash.equals(hash)) verifier.fault(otherThanAnchor(seq));
    return;
  }
  const { rows } = await client.query<{ same: boolean }>("SELECT hash = $2 AS same FROM audit WHERE seq = $1", [
    seq,
    hash,
  ]);
  if (rows[0]?.same) return;
  verifier.fault(
    rows[0]
      ? otherThanAnchor(seq)
      : { seq, fault: "anchor", message: `row ${seq} was there when the log was last verified, and is missing` },
  );
}

const otherThanAnchor = (seq: number): AuditFault => ({
  seq,
  fault: "anchor",
  message: `row ${seq} is another than when the log was last verified: the log was written anew from before it`,
});

/**
 * The runtime's login chose what is in these rows, and how much: the server holds texts against hashes, and only what fits into a few
 * bytes leaves it. Texts that tell of erasures are ours, and short.
 */
const CHECKED = `SELECT seq, substr(prev_hash, 1, 33) AS "prevHash", substr(hash, 1, 33) AS hash,
    sha256(prev_hash || convert_to(record, 'UTF8')) = hash AS genuine,
    to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') AS at,
    CASE WHEN octet_length(record) <= 16384 AND position('"data.erasure.' in record) > 0 THEN record
         ELSE left(record, 1024) END AS record
  FROM audit WHERE seq >= $1::bigint ORDER BY seq LIMIT ${WINDOW}`;

type Row = Omit<CheckedAuditRow, "seq" | "timeFits"> & { seq: string; at: string | null };

async function* windowsFrom(client: Queryable, first: string): AsyncGenerator<CheckedAuditRow[]> {
  for (let from: string | undefined = first; from !== undefined; ) {
    const { rows }: { rows: Row[] } = await client.query<Row>(CHECKED, [from]);
    if (rows.length > 0) yield rows.map((it) => ({ ...it, seq: Number(it.seq), timeFits: timeFits(it) }));
    const last: string | undefined = rows.at(-1)?.seq;
    from =
      last !== undefined && last !== LAST_POSSIBLE && rows.length === WINDOW ? String(BigInt(last) + 1n) : undefined;
  }
}

const TIME_IN_TEXT = /^\{(?:"erased":"[^"]{0,64}",)?"at":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})Z"/;

/** Retention goes by the row's time: it has to be the one that the hash is over. */
const timeFits = ({ at, record }: Row): boolean => {
  const [, said] = TIME_IN_TEXT.exec(record) ?? [];
  return said !== undefined && `${said}000` === at;
};
