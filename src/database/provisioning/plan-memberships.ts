import { allRoles, desiredMemberships } from "./desired.ts";
import type { DesiredTenant, Membership, ObservedMembership, ObservedTenant } from "./state.ts";
import type { Step } from "./step.ts";

export function planMemberships(observed: ObservedTenant, desired: DesiredTenant): Step[] {
  const wanted = [...desiredMemberships(desired.names), ...operatorMemberships(observed, desired)];
  const { superuser, name } = observed.operator;
  // The same membership can be there twice, from two grantors; the operator changes the one that it granted.
  const changeable = observed.memberships.filter((it) => superuser || it.grantor === name);
  const isThere = (it: Membership) => changeable.some((found) => isSamePair(found, it) && hasSameOptions(found, it));
  return [
    ...foreignMemberships(observed, desired)
      .filter((it) => mayRevoke(observed, it))
      .map(({ role, member, grantor }) => ({ kind: "revokeMembership", role, member, grantor }) as const),
    ...wanted.filter((it) => !isThere(it)).map((membership) => ({ kind: "grantMembership", membership }) as const),
  ];
}

/** The operator acts as the owner to make schemas, and as a login to end its connections. It inherits nothing. */
function operatorMemberships(observed: ObservedTenant, desired: DesiredTenant): Membership[] {
  if (observed.operator.superuser) return [];
  const member = observed.operator.name;
  return allRoles(desired.names).map((role) => ({ role, member, admin: false, inherit: false, set: true }));
}

/** Memberships that nobody should have. The operator's own are its tools, whatever their options. */
export function foreignMemberships(observed: ObservedTenant, desired: DesiredTenant): ObservedMembership[] {
  const wanted = desiredMemberships(desired.names);
  const isCovered = (found: Membership) => wanted.some((it) => isSamePair(it, found) && confersAtMost(found, it));
  return observed.memberships.filter((it) => it.member !== observed.operator.name && !isCovered(it));
}

/** Since Postgres 16 a membership is revoked by the role that granted it, or by a superuser. */
export const mayRevoke = (observed: ObservedTenant, it: ObservedMembership): boolean =>
  observed.operator.superuser || it.grantor === observed.operator.name;

const isSamePair = (one: Membership, other: Membership): boolean =>
  one.role === other.role && one.member === other.member;

const hasSameOptions = (one: Membership, other: Membership): boolean =>
  one.admin === other.admin && one.inherit === other.inherit && one.set === other.set;

const confersAtMost = (found: Membership, wanted: Membership): boolean =>
  (!found.admin || wanted.admin) && (!found.inherit || wanted.inherit) && (!found.set || wanted.set);
