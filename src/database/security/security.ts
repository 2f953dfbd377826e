import { tenantDatabaseNames } from "../../api/names.ts";
import type { ConnectionSettings } from "../connection.ts";
import type { Environment } from "../ensure.ts";
import { TenantNotProvisioned } from "../errors.ts";
import { enterSchema } from "../lifecycle/enter-schema.ts";
import { tenantByUid } from "../registry.ts";
import { type AuditPatrol, patrolAudit } from "./audit-patrol.ts";
import { anyOtherTenant, type CrossTenantProbe, probeCrossTenant } from "./cross-tenant-probe.ts";
import { type DatabaseSecurity, observeSecurity } from "./observe.ts";

/** What the database has to show for a tenant's security. Each method throws DatabaseError. */
export interface TenantSecurity {
  /** Reads only. */
  observe(tenant: { uid: string }): Promise<DatabaseSecurity>;
  /** Looks at old rows of the audit log again: see `audit-patrol.ts`. Reads only. @param from the `next` of the round before */
  patrolAudit(tenant: { uid: string }, from: number): Promise<AuditPatrol>;
  /** Logs in with the tenant's published login and tries what has to be refused: see `cross-tenant-probe.ts`. */
  probe(tenant: { uid: string }, login: { user: string; password: string }): Promise<CrossTenantProbe>;
}

/** @param server how the operator reaches the server; asked with each probe */
export const tenantSecurity = ({ sessions }: Environment, server: () => ConnectionSettings): TenantSecurity => ({
  observe: ({ uid }) => sessions.readTenant(uid, "looking at the tenant's security", observeSecurity),
  patrolAudit: ({ uid }, from) =>
    sessions.readTenant(uid, "looking at old rows of the audit log", async (client, tenant) => {
      await enterSchema(client, tenant);
      return patrolAudit(client, from);
    }),
  async probe({ uid }, login) {
    const { own, victim } = await sessions.read("choosing what the cross-tenant probe tries", async (client) => {
      const tenant = await tenantByUid(client, uid);
      return { own: tenant, victim: tenant && (await anyOtherTenant(client, tenant.id)) };
    });
    const logins: string[] = own ? Object.values(tenantDatabaseNames(own.id).logins) : [];
    if (!own || !logins.includes(login.user))
      throw new TenantNotProvisioned(
        "the published login is not the tenant's: wait for the condition CredentialsReady",
      );
    return probeCrossTenant({ ...server(), ...login }, own, victim);
  },
});
