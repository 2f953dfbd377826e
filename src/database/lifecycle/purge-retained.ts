import { deprovisionTenant } from "../deprovision.ts";
import type { Environment } from "../ensure.ts";
import { NothingRetained } from "../errors.ts";
import { retainedTenants, type TenantRecord } from "../registry.ts";

/** What deleted Tenants of this cluster left in the database. */
export async function listRetained({ sessions, clusterUid }: Environment): Promise<TenantRecord[]> {
  return sessions.read("looking for retained data", (client) => retainedTenants(client, clusterUid));
}

/**
 * Drops what a deleted Tenant of this name left: schemas, roles, claim. Idempotent. A new Tenant that takes the data over first
 * keeps it: the claim has another UID then.
 * @throws NothingRetained that names what there is; DatabaseError
 */
export async function purgeRetained(environment: Environment, name: string, epoch: number): Promise<TenantRecord> {
  const retained = await listRetained(environment);
  const record = retained.find((it) => it.name === name);
  if (!record)
    throw new NothingRetained(
      `no deleted Tenant ${JSON.stringify(name)} left data here; retained are: ${retained.map((it) => it.name).join(", ") || "none"}`,
    );
  await deprovisionTenant(environment, record.uid, "Delete", epoch);
  return record;
}
