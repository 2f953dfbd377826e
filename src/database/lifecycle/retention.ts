import type { Environment } from "../ensure.ts";
import { appendAudit } from "./append-audit.ts";
import { enterSchema } from "./enter-schema.ts";
import { isNothing, type Removed } from "./removed.ts";
import { removeArchived } from "./remove-archived.ts";
import { removeAuditRows } from "./remove-audit.ts";
import { removeIdleSessions } from "./remove-idle-sessions.ts";
import { recordRetentionRun, type RetentionRun } from "./retention-runs.ts";
import { type RetentionWork, uncounted } from "./retention-work.ts";

/** How long rows are kept, in days. */
export interface RetentionPolicy {
  /** Of a session after its last run was created or finished. */
  sessionDays: number;
  /** Of originals that compaction put aside. */
  archiveDays: number;
  auditDays: number;
}

interface CutOff {
  sessions: Date;
  archive: Date;
  audit: Date;
}

/**
 * Removes what is older than the policy allows, in short transactions. What is removed is counted and told in one row of the
 * tenant's audit log, also after a crash: by the next call. One kind that fails does not keep the others from going on.
 * @throws the first failure, after the rest was done
 */
export async function applyRetention(
  environment: Environment,
  tenant: { uid: string },
  policy: RetentionPolicy,
  epoch: number,
  signal: AbortSignal,
): Promise<RetentionRun> {
  const work: RetentionWork = { sessions: environment.sessions, uid: tenant.uid, epoch, signal };
  const cutOff = await cutOffs(work, policy);
  const failures: unknown[] = [];
  for (const part of [
    () => removeIdleSessions(work, cutOff.sessions),
    () => removeArchived(work, cutOff.archive),
    () => removeAuditRows(work, cutOff.audit),
  ])
    await part().catch((error: unknown) => failures.push(error));
  signal.throwIfAborted();
  const removed = await tellAudit(work, policy, cutOff);
  if (failures.length > 0) throw failures[0];
  return recordRetentionRun(environment.sessions, tenant.uid, epoch, removed);
}

/** By the server's clock, which also wrote the rows' times. */
function cutOffs({ sessions, uid }: RetentionWork, policy: RetentionPolicy): Promise<CutOff> {
  return sessions.readTenant(uid, "reading the time", async (client, tenant) => {
    await enterSchema(client, tenant);
    const { rows } = await client.query<CutOff>(
      `SELECT now() - make_interval(days => $1) AS sessions, now() - make_interval(days => $2) AS archive,
              now() - make_interval(days => $3) AS audit`,
      [policy.sessionDays, policy.archiveDays, policy.auditDays],
    );
    return rows[0] as CutOff;
  });
}

function tellAudit(work: RetentionWork, policy: RetentionPolicy, cutOff: CutOff): Promise<Removed> {
  return work.sessions.writeTenant(work.uid, work.epoch, "recording what was removed", async (client, tenant) => {
    await enterSchema(client, tenant);
    const removed = await uncounted(client);
    if (isNothing(removed)) return removed;
    await client.query("UPDATE lifecycle SET removed = '{}'");
    await appendAudit(client, tenant.name, {
      action: "retention.applied",
      by: "agentpg-operator",
      policy,
      cutOff,
      removed,
    });
    return removed;
  });
}
