import { allRoles, desiredMemberships } from "./desired.ts";
import type { DesiredTenant, Membership, ObservedMembership, ObservedTenant } from "./state.ts";
import type { Step } from "./step.ts";

export function planMemberships(observed: ObservedTenant, desired: DesiredTenant): Step[] {
  const isThere = isThereIn(observed, desired);
  return [
    ...foreignMemberships(observed, desired)
      .filter((it) => mayRevoke(observed, desired, it))
      .map(({ role, member, grantor }) => ({ kind: "revokeMembership", role, member, grantor }) as const),
    ...desiredMemberships(desired.names)
      .filter((it) => !isThere(it))
      .map((membership) => ({ kind: "grantMembership", membership }) as const),
  ];
}

/** The same membership can be there twice, from two grantors; what is changed is the one that its grantor gave. */
function isThereIn({ memberships, operator }: ObservedTenant, { names }: DesiredTenant) {
  const changeable = memberships.filter(
    (it) => operator.superuser || isSameRole(it.grantor, it.member === operator.name ? operator.name : names.owner),
  );
  // ADMIN of the owner in the tenant's other roles is as it should be.
  const comparable = (it: Membership) => (isSameRole(it.member, names.owner) ? { ...it, admin: false } : it);
  return (it: Membership) => changeable.some((found) => isSamePair(found, it) && hasSameOptions(comparable(found), it));
}

/**
 * The operator acts as the owner and inherits nothing; the owner administers the tenant's other roles. Who makes a role has this
 * by it: what is left are memberships that somebody took away, and tenants of a version in which the operator made all roles.
 */
export function planAdministration(observed: ObservedTenant, desired: DesiredTenant): Step[] {
  const { owner } = desired.names;
  const { superuser, name } = observed.operator;
  const isLogin = (role: string) => Object.values(desired.names.logins).some((it) => isSameRole(it, role));
  const exists = (role: string) => observed.roles.some((it) => isSameRole(it.name, role));
  const acting = { role: owner, member: name, admin: false, inherit: false, set: true };
  const administered = allRoles(desired.names).filter((role) => role !== owner && exists(role));
  const byOthers = observed.memberships.filter((it) => !isSameRole(it.grantor, owner));
  const lacking = administered.filter(
    (role) => !byOthers.some((it) => it.admin && isSamePair(it, { ...acting, role, member: owner })),
  );
  return [
    ...(superuser || !exists(owner) || isThereIn(observed, desired)(acting) ? [] : [acting]),
    ...lacking.map((role) => ({ role, member: owner, admin: true, inherit: isLogin(role), set: false })),
  ].map((membership) => ({ kind: "grantMembership", membership }) as const);
}

/** Memberships that nobody should have. The operator's own are its tools, and so are the owner's in the roles that it made. */
export function foreignMemberships(observed: ObservedTenant, desired: DesiredTenant): ObservedMembership[] {
  const wanted = desiredMemberships(desired.names);
  const isCovered = (found: Membership) => wanted.some((it) => isSamePair(it, found) && confersAtMost(found, it));
  const isTool = ({ role, member }: Membership) =>
    member === observed.operator.name ||
    (isSameRole(member, desired.names.owner) && allRoles(desired.names).some((it) => isSameRole(it, role)));
  return observed.memberships.filter((it) => !isTool(it) && !isCovered(it));
}

/** Since Postgres 16 a membership is revoked by the role that granted it, or by a superuser. */
export const mayRevoke = (observed: ObservedTenant, desired: DesiredTenant, it: ObservedMembership): boolean =>
  observed.operator.superuser || it.grantor === observed.operator.name || isSameRole(it.grantor, desired.names.owner);

const isSameRole = (one: string, other: string): boolean => one === other;

const isSamePair = (one: Membership, other: Membership): boolean =>
  one.role === other.role && one.member === other.member;

const hasSameOptions = (one: Membership, other: Membership): boolean =>
  one.admin === other.admin && one.inherit === other.inherit && one.set === other.set;

const confersAtMost = (found: Membership, wanted: Membership): boolean =>
  (!found.admin || wanted.admin) && (!found.inherit || wanted.inherit) && (!found.set || wanted.set);
