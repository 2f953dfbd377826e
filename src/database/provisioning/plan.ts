import { catalogName } from "../quote.ts";
import { allRoles, desiredGrants } from "./desired.ts";
import { isOurs, isShared, planOwner, sequencesLast } from "./ownership.ts";
import { planGrants } from "./plan-grants.ts";
import { planAdministration, planMemberships } from "./plan-memberships.ts";
import { planRole, planSettings } from "./plan-roles.ts";
import { planRowSecurity } from "./plan-row-security.ts";
import type { DesiredTenant, ObservedObject, ObservedRowSecurity, ObservedTenant } from "./state.ts";
import type { Step } from "./step.ts";

/**
 * What has to be done so that the tenant is as desired; [] if it is. Pure. What only a superuser could do is left out,
 * and told by `beyondOperator`.
 */
export function planTenant(observed: ObservedTenant, desired: DesiredTenant): Step[] {
  const { names, place } = desired;
  const missing = place === "elsewhere" ? [] : missingSchemas(observed, desired);
  const schemas = missing.map((schema) => newSchema(schema, desired));
  const others = allRoles(names).filter((role) => role !== names.owner);
  return [
    // The owner and what the operator does with it come first: after each change of a membership Postgres finds out anew as whom the operator may act.
    ...planRole(observed, desired, names.owner),
    ...planAdministration(observed, desired),
    ...missing.map((schema) => ({ kind: "createSchema", schema, owner: names.owner }) as const),
    ...others.flatMap((role) => planRole(observed, desired, role)),
    ...planMemberships(observed, desired),
    ...allRoles(names).flatMap((role) => planSettings(observed, desired, role)),
    ...(place === "elsewhere" ? [] : planObjects(observed, desired, [...observed.objects, ...schemas])),
    // The database comes last: transactions of all tenants take turns there.
    ...observed.objects
      .filter((it) => isShared(it.object))
      .flatMap((it) => planGrants(it, names, place === "elsewhere" ? [] : desiredGrants(names, it.object))),
  ];
}

/** What is in the tenant's schemas, and the schemas themselves. */
function planObjects(observed: ObservedTenant, desired: DesiredTenant, objects: ObservedObject[]): Step[] {
  const { names } = desired;
  return [
    ...sequencesLast(objects).flatMap((it) => planOwner(observed, desired, it)),
    ...objects
      .filter((it) => !isShared(it.object) && isOurs(observed, desired, it))
      .flatMap((it) => planGrants(it, names, desiredGrants(names, it.object))),
    ...observed.rowSecurity
      .filter((it) => isOursToSecure(observed, desired, it))
      .flatMap((it) => planRowSecurity(it, desired)),
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
