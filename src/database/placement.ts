import type { TenantRecord } from "./registry.ts";
import type { Queryable } from "./session.ts";

/** A row of a server's registry, as far as it tells whether a Tenant belongs there. */
export type RegisteredClaim = Pick<TenantRecord, "id" | "uid" | "name" | "clusterUid" | "state">;

/** What one server knows that matters to where a Tenant goes. */
export interface ServerRegistry {
  /** Of this Tenant, and of earlier ones of its name. */
  claims: RegisteredClaim[];
  /** Tenants that are registered, whoever's and in whatever state: each has its tables and roles here. */
  tenants: number;
}

/**
 * Looks for a Tenant in the registry.
 * @param besides UIDs of Tenants that are counted already: those of them that are registered are left out of the number
 */
export async function serverRegistry(
  client: Queryable,
  { uid, name }: { uid: string; name: string },
  besides: readonly string[],
): Promise<ServerRegistry> {
  const claims = await client.query<RegisteredClaim>(
    `SELECT id, tenant_uid AS uid, tenant_name AS name, cluster_uid AS "clusterUid", state
       FROM agentpg_operator.tenant WHERE tenant_uid = $1 OR tenant_name = $2`,
    [uid, name],
  );
  const { rows } = await client.query<{ tenants: number }>(
    "SELECT count(*)::integer AS tenants FROM agentpg_operator.tenant WHERE tenant_uid <> ALL ($1)",
    [besides],
  );
  return { claims: claims.rows, tenants: rows[0]?.tenants ?? 0 };
}
