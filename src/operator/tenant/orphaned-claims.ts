import { setTimeout as sleep } from "node:timers/promises";
import type { Tenant } from "../../api/tenant.ts";
import { DatabaseError } from "../../database/errors.ts";
import type { TenantRecord } from "../../database/tenants.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { EventRecorder } from "../../kubernetes/events.ts";
import type { Logger } from "../../telemetry/log.ts";
import { TENANT } from "../caches.ts";
import type { DatabaseAccess } from "../databases/database-access.ts";

interface SweepDependencies {
  client: KubernetesClient;
  /** One server's. */
  database: Pick<DatabaseAccess, "use">;
  events: EventRecorder;
  logger: Logger;
  /** The operator's own namespace: the Events are about it, because there is no Tenant. */
  namespace: string;
}

/**
 * Closes the logins of claims that no Tenant stands behind. A finalizer keeps a Tenant until its logins are closed, so these come
 * from a database that was restored from a backup older than the deletion. The data stays, as with deletionPolicy Retain; a
 * deletion that had begun goes on. Gives the names of those that were closed.
 * @throws DatabaseError when the claims cannot be read, ApiError
 */
export async function closeOrphanedClaims(deps: SweepDependencies): Promise<string[]> {
  const { client, database } = deps;
  const claims = await database.use((it) => it.openClaims());
  // After the claims, and not from the cache: whoever made one of them is in this list unless it is gone.
  const tenants = new Set((await client.list<Tenant>(TENANT)).map((it) => it.metadata.uid));
  const closed: string[] = [];
  for (const claim of claims.filter(({ uid }) => !tenants.has(uid)))
    if (await close(deps, claim)) closed.push(claim.name);
  return closed;
}

async function close(
  { database, events, logger, namespace }: SweepDependencies,
  claim: TenantRecord,
): Promise<boolean> {
  const { id, name, uid } = claim;
  try {
    await database.use((it, epoch) => it.deprovision({ uid }, "Retain", epoch));
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.reason === "StaleEpoch") throw error;
    logger.warn({ tenant: name, id, err: error }, "the logins of a Tenant that is gone are still open");
    return false;
  }
  const message = `the database knows Tenant ${name} (${id}), which was deleted: its logins are closed, its data stays; was the database restored from a backup?`;
  logger.warn({ tenant: name, id }, message);
  await events.record(
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    "Warning",
    "OrphanedClaimClosed",
    message,
  );
  return true;
}

/** Sweeps at once and then every `everyMs`, until the signal; what fails is tried again the next time. `onError` must not throw. */
export async function sweepOrphanedClaims(
  sweep: () => Promise<unknown>,
  everyMs: number,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    await sweep().catch(onError);
    await sleep(everyMs, undefined, { signal, ref: false }).catch(() => {});
  }
}
