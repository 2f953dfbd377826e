import { type SchemaName, tenantDatabaseNames } from "../api/names.ts";
import type { Environment } from "./ensure.ts";
import { InsufficientPrivilege, TenantNotProvisioned } from "./errors.ts";
import { statementsOf } from "./provisioning/apply.ts";
import { observeTenant } from "./provisioning/observe.ts";
import { planOwnDatabase } from "./provisioning/plan-own-database.ts";
import type { ObservedDatabase } from "./provisioning/state.ts";
import type { Step } from "./provisioning/step.ts";
import { type CatalogName, catalogIdentifier, identifier } from "./quote.ts";
import { lockTenant, ownDatabase, refuseIfHeldByOther, type TenantRecord } from "./registry.ts";
import { hasCode, SQLSTATE } from "./sqlstate.ts";

/**
 * Makes the tenant's own database, closed to all others from its first moment, or repairs it. CREATE DATABASE runs in no
 * transaction: killed anywhere, the next call finds what there is and goes on. The claim is there before it.
 * @throws InsufficientPrivilege without CREATEDB, or if somebody else owns it
 */
export async function ensureDatabase(
  { sessions, clusterUid }: Environment,
  { uid, name }: TenantRecord,
  epoch: number,
): Promise<Step[]> {
  return sessions.fenced(epoch, `making the database of Tenant ${name}`, async (fence) => {
    const record = await lockTenant(fence, uid);
    const database = record?.state === "active" ? ownDatabase(record) : undefined;
    if (!record || !database)
      throw new TenantNotProvisioned(`Tenant ${name} lost its claim while its database was made: it was deleted`);
    refuseIfHeldByOther(record, clusterUid);
    const { operator, ownDatabase: found } = await observeTenant(fence, tenantDatabaseNames(record.id));
    if (found && !operator.superuser) refuseForeign(found, database, operator.name);
    const steps = planOwnDatabase(found, database);
    const scope = { names: tenantDatabaseNames(record.id), place: "elsewhere", operator: operator.name } as const;
    for (const step of steps)
      for (const { sql } of statementsOf(step, scope))
        await (step.kind === "createDatabase"
          ? sessions
              .alone(fence, `making database ${database}`, sql)
              .catch((error: unknown) => explain(error, operator))
          : fence.query(sql));
    return steps;
  });
}

/** Its owner could let anybody in. */
function refuseForeign({ owner }: ObservedDatabase, database: SchemaName, operator: CatalogName): void {
  if (owner === operator) return;
  throw new InsufficientPrivilege(
    `database ${database} belongs to role ${owner}: run as a superuser ALTER DATABASE ${identifier(database)} OWNER TO ${catalogIdentifier(operator)}`,
  );
}

function explain(error: unknown, operator: { name: CatalogName }): never {
  if (!hasCode(error, SQLSTATE.insufficientPrivilege)) throw error;
  throw new InsufficientPrivilege(
    `database.isolation: Database needs a database of its own for each tenant, and the operator's role may not make one: run as a superuser ALTER ROLE ${catalogIdentifier(operator.name)} CREATEDB`,
    error,
  );
}
