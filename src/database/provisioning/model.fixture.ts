import type { TenantDatabaseNames } from "../../api/names.ts";
import { catalogName } from "../quote.ts";
import { builtInDefaults } from "./built-in-defaults.ts";
import { type Grant, type ObservedObject, type ObservedTenant, PUBLIC, type Securable } from "./state.ts";
import { GROUP, policyExpression } from "./desired.ts";
import type { Step } from "./step.ts";

export const OPERATOR = catalogName("operator");

/** A database of which nothing was made yet. */
export const emptyTenant = (names: TenantDatabaseNames): ObservedTenant => ({
  operator: { name: OPERATOR, superuser: false },
  roles: [],
  memberships: [],
  objects: [
    {
      object: { kind: "database", name: catalogName("db") },
      owner: OPERATOR,
      grants: [{ grantee: PUBLIC, privilege: "CONNECT", grantable: false }],
      columnGrants: [],
    },
    ...builtInDefaults(names),
  ],
  rowSecurity: [],
  ownDatabase: undefined,
});

/** What Postgres makes of the steps, as far as a plan can see it. The tests in test/database do it with the real one. */
export function applyToModel(observed: ObservedTenant, steps: Step[], names: TenantDatabaseNames): ObservedTenant {
  const state = structuredClone(observed);
  for (const step of steps) applyStep(state, step, names);
  return state;
}

const isSame = (one: Securable, other: Securable) => JSON.stringify(one) === JSON.stringify(other);

function objectOf(state: ObservedTenant, object: Securable): ObservedObject {
  const found = state.objects.find((it) => isSame(it.object, object));
  if (!found) throw new Error(`no such object: ${JSON.stringify(object)}`);
  return found;
}

function roleOf(state: ObservedTenant, name: string) {
  const found = state.roles.find((it) => it.name === name);
  if (!found) throw new Error(`no such role: ${name}`);
  return found;
}

function tableOf(state: ObservedTenant, table: string) {
  const found = state.rowSecurity.find((it) => it.table === table);
  if (!found) throw new Error(`no such table: ${table}`);
  return found;
}

function applyStep(state: ObservedTenant, step: Step, names: TenantDatabaseNames): void {
  switch (step.kind) {
    case "createRole": {
      const maker = step.role === names.owner ? OPERATOR : catalogName(names.owner);
      const settings = { settings: {}, ownSettings: [], databaseSettings: [] };
      state.roles.push({ ...GROUP, ...step.attributes, name: step.role, ...settings });
      const made = { role: step.role, member: maker, inherit: false };
      // Postgres 16: who makes a role gets it with ADMIN, from the bootstrap superuser; and SET, where it asks for that.
      state.memberships.push({ ...made, grantor: catalogName("postgres"), admin: true, set: false });
      if (maker === OPERATOR) state.memberships.push({ ...made, grantor: OPERATOR, admin: false, set: true });
      return;
    }
    case "alterRole":
      Object.assign(roleOf(state, step.role), step.attributes);
      return;
    case "setRoleSetting":
      roleOf(state, step.role).settings[step.name] = step.value;
      return;
    case "resetRoleSettings": {
      const role = roleOf(state, step.role);
      Object.assign(role, { settings: {}, ownSettings: [] });
      return;
    }
    case "resetDatabaseSettings":
      roleOf(state, step.role).databaseSettings = [];
      return;
    case "grantMembership": {
      const { role, member } = step.membership;
      const grantor = member === OPERATOR || step.membership.admin ? OPERATOR : catalogName(names.owner);
      state.memberships = state.memberships.filter(
        (it) => it.role !== role || it.member !== member || it.grantor !== grantor,
      );
      state.memberships.push({ ...step.membership, grantor });
      return;
    }
    case "revokeMembership":
      state.memberships = state.memberships.filter(
        (it) => it.role !== step.role || it.member !== step.member || it.grantor !== step.grantor,
      );
      return;
    case "createSchema":
      state.objects.push({
        object: { kind: "schema", schema: step.schema },
        owner: catalogName(step.owner),
        grants: [],
        columnGrants: [],
      });
      return;
    case "changeOwner": {
      const object = objectOf(state, step.object);
      object.owner = catalogName(step.to);
      object.grants = object.grants.filter((it) => it.grantee !== step.to);
      object.columnGrants = object.columnGrants.filter((it) => it.grantee !== step.to);
      return;
    }
    case "revoke": {
      const object = objectOf(state, step.object);
      const stays = (it: Grant) => it.grantee !== step.grantee || !step.privileges.includes(it.privilege);
      object.grants = object.grants.filter(stays);
      object.columnGrants = object.columnGrants.filter(stays);
      return;
    }
    case "grant": {
      const object = objectOf(state, step.object);
      for (const privilege of step.privileges)
        object.grants.push({ grantee: step.grantee, privilege, grantable: false });
      return;
    }
    case "enableRowSecurity":
      Object.assign(tableOf(state, step.table), { enabled: true, forced: true });
      return;
    case "dropPolicy": {
      const table = tableOf(state, step.table);
      table.policies = table.policies.filter((it) => it.name !== step.policy);
      return;
    }
    case "createPolicy": {
      const members = policyExpression(names);
      const policy = { command: "*", permissive: true, forPublic: true, using: members, check: members };
      tableOf(state, step.table).policies.push({ ...policy, name: catalogName("tenant_members") });
      return;
    }
    case "createDatabase":
      state.ownDatabase = { owner: OPERATOR, allowsConnections: false, isTemplate: false, openToPublic: true };
      return;
    case "closeDatabase":
      Object.assign(state.ownDatabase ?? {}, { openToPublic: false });
      return;
    case "forbidCopies":
      Object.assign(state.ownDatabase ?? {}, { isTemplate: false });
      return;
    case "allowConnections":
      Object.assign(state.ownDatabase ?? {}, { allowsConnections: true });
      return;
  }
}
