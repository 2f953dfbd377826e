import { catalogName } from "../quote.ts";
import { allRoles } from "./desired.ts";
import { isOurs, isShared, planOwner, sequencesLast } from "./ownership.ts";
import { planGrants } from "./plan-grants.ts";
import { planMemberships } from "./plan-memberships.ts";
import { planRole } from "./plan-roles.ts";
import { planRowSecurity } from "./plan-row-security.ts";
import type { DesiredTenant, ObservedObject, ObservedRowSecurity, ObservedTenant } from "./state.ts";
import type { Step } from "./step.ts";

/**
 * What has to be done so that the tenant is as desired; [] if it is. Pure. What only a superuser could do is left out,
 * and told by `beyondOperator`.
 */
export function planTenant(observed: ObservedTenant, desired: DesiredTenant): Step[] {
  const { names } = desired;
  const missing = missingSchemas(observed, desired);
  const objects = [...observed.objects, ...missing.map((schema) => newSchema(schema, desired))];
  return [
    ...allRoles(names).flatMap((role) => planRole(observed, desired, role)),
    ...planMemberships(observed, desired),
    ...missing.map((schema) => ({ kind: "createSchema", schema, owner: names.owner }) as const),
    ...sequencesLast(objects).flatMap((it) => planOwner(observed, desired, it)),
    ...objects
      .filter((it) => !isShared(it.object) && isOurs(observed, desired, it))
      .flatMap((it) => planGrants(it, names)),
    ...observed.rowSecurity
      .filter((it) => isOursToSecure(observed, desired, it))
      .flatMap((it) => planRowSecurity(it, desired)),
    // The database comes last: transactions of all tenants take turns there.
    ...objects.filter((it) => isShared(it.object)).flatMap((it) => planGrants(it, names)),
  ];
}

function missingSchemas(observed: ObservedTenant, { names }: DesiredTenant) {
  const exists = (schema: string) =>
    observed.objects.some((it) => it.object.kind === "schema" && it.object.schema === schema);
  return [names.schema, names.dataSchema].filter((schema) => !exists(schema));
}

const newSchema = (schema: DesiredTenant["names"]["schema"], { names }: DesiredTenant): ObservedObject => ({
  object: { kind: "schema", schema },
  owner: catalogName(names.owner),
  grants: [],
  columnGrants: [],
});

const isOursToSecure = (observed: ObservedTenant, desired: DesiredTenant, table: ObservedRowSecurity): boolean =>
  observed.objects.some(
    (it) =>
      it.object.kind === "table" &&
      it.object.schema === table.schema &&
      it.object.name === table.table &&
      isOurs(observed, desired, it),
  );
