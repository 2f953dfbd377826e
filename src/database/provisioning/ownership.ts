import type { CatalogName } from "../quote.ts";
import { allRoles } from "./desired.ts";
import type { DesiredTenant, ObservedObject, ObservedTenant, Securable } from "./state.ts";
import type { Step } from "./step.ts";

/** Whether a name of ours and one from the catalog are the same. */
const isSame = (one: string, other: string): boolean => one === other;

/** It belongs to all tenants together. */
export const isShared = (object: Securable): boolean => object.kind === "database" || object.kind === "publicSchema";

/** Whoever loads the tenant's data may own its tables there; nothing of AgentPG's is in that schema. */
export const isTenantsOwn = (desired: DesiredTenant, object: Securable): boolean =>
  "schema" in object &&
  object.schema === desired.names.dataSchema &&
  object.kind !== "schema" &&
  object.kind !== "defaults";

/** The owner is one whose objects the operator can take back: itself, or a role of the tenant. */
const mayTakeFrom = (observed: ObservedTenant, desired: DesiredTenant, owner: CatalogName): boolean =>
  observed.operator.superuser ||
  owner === observed.operator.name ||
  allRoles(desired.names).some((role) => isSame(role, owner));

/** Whether the owner role owns it, now or after the plan. */
export const isOurs = (observed: ObservedTenant, desired: DesiredTenant, it: ObservedObject): boolean =>
  isSame(it.owner, desired.names.owner) ||
  (!isTenantsOwn(desired, it.object) && mayTakeFrom(observed, desired, it.owner));

export function planOwner(observed: ObservedTenant, desired: DesiredTenant, it: ObservedObject): Step[] {
  const to = desired.names.owner;
  if (isShared(it.object) || isSame(it.owner, to) || !isOurs(observed, desired, it)) return [];
  return [{ kind: "changeOwner", object: it.object, from: it.owner, to }];
}

/** A sequence that belongs to a column changes hands with its table, and must not before. */
export const sequencesLast = (objects: ObservedObject[]): ObservedObject[] =>
  objects.toSorted((one, other) => Number(one.object.kind === "sequence") - Number(other.object.kind === "sequence"));
