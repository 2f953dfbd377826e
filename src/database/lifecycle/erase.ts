import { randomUUID } from "node:crypto";
import type { Environment } from "../ensure.ts";
import { appendAudit, type AuditDetail } from "./append-audit.ts";
import { emptyAuditRows } from "./empty-audit-rows.ts";
import { endOpenRuns } from "./end-open-runs.ts";
import { enterSchema } from "./enter-schema.ts";
import { eraseSessions } from "./erase-sessions.ts";
import type { ErasureProgress, EraseWork } from "./erase-work.ts";
import { NOTHING_REMOVED, type Removed, sumOf } from "./removed.ts";
import { MOST_SESSIONS, sessionsOf, type Subject, subjectHash } from "./subject.ts";

export interface ErasureRequest {
  uid: string;
  subject: Subject;
  /** Who asked for it, as far as is known: for the audit log. */
  by: string;
  /** How long runs get to end in good order, in milliseconds. */
  waitMs: number;
}

export interface Erasure {
  /** Also in the audit log, and in each tombstone. */
  id: string;
  removed: Removed;
  /** Runs that had not ended when their time was up; they can write nothing any more. */
  cutOffRuns: number;
  /** Sessions that came while the others were erased: the user is still at work. */
  sessionsLeft: number;
}

/** Rounds over what a user adds while being erased. */
const ROUNDS = 3;

/**
 * Erases a subject: sessions, runs, messages, tool calls, archive, and the text of its audit rows. In short transactions; called
 * again after a failure it finishes what is left. The audit log tells of its beginning and its end.
 * @throws DatabaseError; the signal's reason
 */
export async function erase(
  environment: Environment,
  request: ErasureRequest,
  epoch: number,
  signal: AbortSignal,
  progress: (at: ErasureProgress) => Promise<void>,
): Promise<Erasure> {
  const work: EraseWork = { sessions: environment.sessions, uid: request.uid, epoch, signal, progress };
  const erasure: Erasure = { id: randomUUID(), removed: NOTHING_REMOVED, cutOffRuns: 0, sessionsLeft: 0 };
  await tellAudit(work, request, { action: "data.erasure.begun", erasure: erasure.id });
  const known = new Set<string>();
  for (let round = 1; ; round++) {
    const ids = await sessionsNow(work, request.subject);
    erasure.sessionsLeft = ids.length;
    if (ids.length === 0 || round > ROUNDS) break;
    if (ids.length === MOST_SESSIONS) round = 0; // not all were seen
    if ("session" in request.subject) for (const id of ids) known.add(id);
    erasure.cutOffRuns += await endOpenRuns(work, ids, request.waitMs);
    erasure.removed = sumOf(erasure.removed, await eraseSessions(work, ids));
  }
  // After the rows: runs that ended meanwhile have written to the audit log too.
  const auditRows = await emptyAuditRows(work, request.subject, [...known], erasure.id);
  erasure.removed = { ...erasure.removed, auditRows };
  await tellAudit(work, request, {
    action: "data.erasure.completed",
    erasure: erasure.id,
    removed: erasure.removed,
    auditRows,
  });
  return erasure;
}

function sessionsNow(work: EraseWork, subject: Subject): Promise<string[]> {
  return work.sessions.readTenant(work.uid, "looking for sessions", async (client, tenant) => {
    await enterSchema(client, tenant);
    return sessionsOf(client, subject);
  });
}

async function tellAudit(work: EraseWork, request: ErasureRequest, detail: AuditDetail): Promise<void> {
  const { subject, by } = request;
  const about = { kind: "session" in subject ? "session" : "user", sha256: subjectHash(work.uid, subject) };
  await work.sessions.writeTenant(work.uid, work.epoch, "recording the erasure", async (client, tenant) => {
    await enterSchema(client, tenant);
    await appendAudit(client, tenant.name, { ...detail, by, subject: about });
  });
}
