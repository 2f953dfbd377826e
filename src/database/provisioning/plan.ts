import type { RoleName } from "../../api/names.ts";
import { type CatalogName, catalogName } from "../quote.ts";
import {
  allRoles,
  desiredAttributes,
  desiredMemberships,
  desiredSettings,
  POLICY,
  policyExpression,
} from "./desired.ts";
import { planGrants } from "./plan-grants.ts";
import type {
  DesiredTenant,
  Membership,
  ObservedMembership,
  ObservedObject,
  ObservedPolicy,
  ObservedRole,
  ObservedRowSecurity,
  ObservedTenant,
  Securable,
} from "./state.ts";
import type { AttributeChange, Step } from "./step.ts";

/**
 * What has to be done so that the tenant is as desired; [] if it is. Pure. What only a superuser could do is left out,
 * and reported by {@link beyondOperator}.
 */
export function planTenant(observed: ObservedTenant, desired: DesiredTenant): Step[] {
  const objects = [...observed.objects, ...missingSchemas(observed, desired)];
  return [
    ...allRoles(desired.names).flatMap((role) => planRole(observed, desired, role)),
    ...planMemberships(observed, desired),
    ...missingSchemas(observed, desired).map((it) => createSchema(it, desired)),
    ...sequencesLast(objects).flatMap((it) => planOwner(observed, desired, it)),
    // The database comes last: transactions of all tenants take turns there.
    ...objects
      .filter((it) => !isShared(it.object) && isOurs(observed, desired, it))
      .flatMap((it) => planGrants(it, desired.names)),
    ...observed.rowSecurity
      .filter((it) => ownsTable(observed, desired, it))
      .flatMap((it) => planRowSecurity(it, desired)),
    ...objects.filter((it) => isShared(it.object)).flatMap((it) => planGrants(it, desired.names)),
  ];
}

/** Whether a name of ours and one from the catalog are the same. */
const isSame = (one: string, other: string): boolean => one === other;

const isShared = (object: Securable): boolean => object.kind === "database" || object.kind === "publicSchema";

/** A sequence that belongs to a column changes hands with its table, and must not before. */
const sequencesLast = (objects: ObservedObject[]): ObservedObject[] =>
  objects.toSorted((one, other) => Number(one.object.kind === "sequence") - Number(other.object.kind === "sequence"));

function planRole(observed: ObservedTenant, desired: DesiredTenant, name: RoleName): Step[] {
  const found = observed.roles.find((it) => it.name === name);
  if (found && !mayAlter(observed, found)) return [];
  const wanted = desiredAttributes(desired, name);
  const current: ObservedRole = found ?? newRole(desired, name);
  const changed = Object.entries(wanted).filter(([key, value]) => current[key as keyof typeof wanted] !== value);
  const settings = Object.entries(desiredSettings(desired.names, name));
  return [
    ...(found ? [] : [{ kind: "createRole", role: name } as const]),
    ...(changed.length > 0
      ? [{ kind: "alterRole", role: name, attributes: Object.fromEntries(changed) as AttributeChange } as const]
      : []),
    ...settings
      .filter(([key, value]) => current.settings[key] !== value)
      .map(([key, value]) => ({ kind: "setRoleSetting", role: name, name: key, value }) as const),
    ...settings
      .filter(([key]) => current.databaseSettings.includes(key))
      .map(([key]) => ({ kind: "clearDatabaseSetting", role: name, name: key }) as const),
  ];
}

/** What CREATE ROLE makes. */
const newRole = (desired: DesiredTenant, name: RoleName): ObservedRole => ({
  ...desiredAttributes(desired, desired.names.owner),
  name,
  settings: {},
  databaseSettings: [],
});

/** Postgres lets only a superuser touch a superuser, and only a role that has REPLICATION or BYPASSRLS take it away. */
const mayAlter = (observed: ObservedTenant, role: ObservedRole): boolean =>
  observed.operator.superuser || !(role.superuser || role.replication || role.bypassRls);

function planMemberships(observed: ObservedTenant, desired: DesiredTenant): Step[] {
  const wanted = [...desiredMemberships(desired.names), ...operatorMemberships(observed, desired)];
  const granted = observed.memberships.filter((it) => it.grantor === observed.operator.name);
  const fitting = (it: Membership) => (found: ObservedMembership) => isSamePair(found, it) && sameOptions(found, it);
  return [
    ...foreignMemberships(observed, desired)
      .filter((it) => mayRevoke(observed, it))
      .map((it) => ({ kind: "revokeMembership", role: it.role, member: it.member, grantor: it.grantor }) as const),
    ...wanted
      .filter((it) => !(observed.operator.superuser ? observed.memberships : granted).some(fitting(it)))
      .map((membership) => ({ kind: "grantMembership", membership }) as const),
  ];
}

/** The operator acts as the owner to make schemas, and as a login to end its connections. It inherits nothing. */
function operatorMemberships(observed: ObservedTenant, desired: DesiredTenant): Membership[] {
  if (observed.operator.superuser) return [];
  return allRoles(desired.names).map((role) => ({
    role,
    member: observed.operator.name,
    admin: false,
    inherit: false,
    set: true,
  }));
}

const isSamePair = (one: Membership, other: Membership): boolean =>
  one.role === other.role && one.member === other.member;
const sameOptions = (one: Membership, other: Membership): boolean =>
  one.admin === other.admin && one.inherit === other.inherit && one.set === other.set;

/** Memberships that nobody should have. The operator's own are its tools, whatever their options. */
function foreignMemberships(observed: ObservedTenant, desired: DesiredTenant): ObservedMembership[] {
  const wanted = desiredMemberships(desired.names);
  return observed.memberships.filter(
    (found) =>
      found.member !== observed.operator.name && !wanted.some((it) => isSamePair(it, found) && atMost(found, it)),
  );
}

/** Whether the membership confers nothing beyond the wanted one. */
const atMost = (found: Membership, wanted: Membership): boolean =>
  (!found.admin || wanted.admin) && (!found.inherit || wanted.inherit) && (!found.set || wanted.set);

const mayRevoke = (observed: ObservedTenant, it: ObservedMembership): boolean =>
  observed.operator.superuser || it.grantor === observed.operator.name;

function missingSchemas(observed: ObservedTenant, { names }: DesiredTenant): ObservedObject[] {
  const exists = (schema: string) =>
    observed.objects.some((it) => it.object.kind === "schema" && it.object.schema === schema);
  return [names.schema, names.dataSchema]
    .filter((schema) => !exists(schema))
    .map((schema) => ({
      object: { kind: "schema", schema },
      owner: catalogName(names.owner),
      grants: [],
      columnGrants: [],
    }));
}

const createSchema = (it: ObservedObject, desired: DesiredTenant): Step => {
  if (it.object.kind !== "schema") throw new TypeError("only a schema is created here");
  return { kind: "createSchema", schema: it.object.schema, owner: desired.names.owner };
};

/** The owner is one whose objects the operator can take back: itself, or a role of the tenant. */
const mayTakeFrom = (observed: ObservedTenant, desired: DesiredTenant, owner: CatalogName): boolean =>
  observed.operator.superuser ||
  owner === observed.operator.name ||
  allRoles(desired.names).some((role) => isSame(role, owner));

function planOwner(observed: ObservedTenant, desired: DesiredTenant, it: ObservedObject): Step[] {
  const to = desired.names.owner;
  if (
    isShared(it.object) ||
    isSame(it.owner, to) ||
    isTenantsOwn(desired, it.object) ||
    !mayTakeFrom(observed, desired, it.owner)
  )
    return [];
  return [{ kind: "changeOwner", object: it.object, from: it.owner, to }];
}

/** Whoever loads the tenant's data may own its tables there; nothing of AgentPG's is in that schema. */
const isTenantsOwn = (desired: DesiredTenant, object: Securable): boolean =>
  "schema" in object &&
  object.schema === desired.names.dataSchema &&
  object.kind !== "schema" &&
  object.kind !== "defaults";

/** Whether the owner role owns it, now or after this plan. */
const isOurs = (observed: ObservedTenant, desired: DesiredTenant, it: ObservedObject): boolean =>
  isSame(it.owner, desired.names.owner) ||
  (!isTenantsOwn(desired, it.object) && mayTakeFrom(observed, desired, it.owner));

const ownsTable = (observed: ObservedTenant, desired: DesiredTenant, it: ObservedRowSecurity): boolean =>
  observed.objects.some(
    ({ object, ...rest }) =>
      object.kind === "table" &&
      object.schema === it.schema &&
      object.name === it.table &&
      isOurs(observed, desired, { object, ...rest }),
  );

function planRowSecurity(it: ObservedRowSecurity, desired: DesiredTenant): Step[] {
  const { schema, table } = it;
  const expression = policyExpression(desired.names);
  const isWanted = (policy: ObservedPolicy) =>
    policy.name === POLICY &&
    policy.command === "*" &&
    policy.permissive &&
    policy.forPublic &&
    policy.using === expression &&
    policy.check === expression;
  return [
    ...it.policies
      .filter((policy) => !isWanted(policy))
      .map((policy) => ({ kind: "dropPolicy", schema, table, policy: policy.name }) as const),
    ...(it.policies.some(isWanted) ? [] : [{ kind: "createPolicy", schema, table } as const]),
    ...(it.enabled && it.forced ? [] : [{ kind: "enableRowSecurity", schema, table } as const]),
  ];
}

/** What is wrong and only a superuser can put right: the statements to run. Pure. */
export function beyondOperator(observed: ObservedTenant, desired: DesiredTenant): string[] {
  const { names } = desired;
  return [
    ...observed.roles
      .filter((it) => !mayAlter(observed, it))
      .map((it) => `ALTER ROLE ${it.name} NOSUPERUSER NOREPLICATION NOBYPASSRLS`),
    ...foreignMemberships(observed, desired)
      .filter((it) => !mayRevoke(observed, it))
      .map((it) => `REVOKE ${it.role} FROM ${it.member} GRANTED BY ${it.grantor}`),
    ...observed.objects
      .filter((it) => !isShared(it.object) && !isOurs(observed, desired, it) && !isTenantsOwn(desired, it.object))
      .map(
        (it) =>
          `REASSIGN OWNED BY ${it.owner} TO ${names.owner} (or ALTER … OWNER TO for the objects in schema ${names.schema} only)`,
      ),
  ].filter((statement, index, all) => all.indexOf(statement) === index);
}
