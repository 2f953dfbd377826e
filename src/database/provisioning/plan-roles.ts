import type { RoleName } from "../../api/names.ts";
import { desiredAttributes, desiredSettings, GROUP } from "./desired.ts";
import type { DesiredTenant, ObservedRole, ObservedTenant, RoleAttributes } from "./state.ts";
import type { AttributeChange, Step } from "./step.ts";

export function planRole(observed: ObservedTenant, desired: DesiredTenant, name: RoleName): Step[] {
  const found = observed.roles.find((it) => it.name === name);
  if (found && !mayAlter(observed, found)) return [];
  const attributes = difference(found ?? GROUP, desiredAttributes(desired, name));
  if (!found) return [{ kind: "createRole", role: name, attributes }];
  return Object.keys(attributes).length > 0 ? [{ kind: "alterRole", role: name, attributes }] : [];
}

/** What the role's sessions start with. The owner sets it: it has to have ADMIN on the role already. */
export function planSettings(observed: ObservedTenant, desired: DesiredTenant, name: RoleName): Step[] {
  const found = observed.roles.find((it) => it.name === name);
  if (found && !mayAlter(observed, found)) return [];
  const { settings, ownSettings, databaseSettings } = found ?? NO_SETTINGS;
  const wanted = Object.entries(desiredSettings(desired.names, name));
  return [
    ...(ownSettings.length > 0 ? [{ kind: "resetRoleSettings", role: name, names: ownSettings } as const] : []),
    ...wanted
      .filter(([key, value]) => ownSettings.length > 0 || settings[key] !== value)
      .map(([key, value]) => ({ kind: "setRoleSetting", role: name, name: key, value }) as const),
    ...(databaseSettings.length > 0
      ? [{ kind: "resetDatabaseSettings", role: name, names: databaseSettings } as const]
      : []),
  ];
}

const NO_SETTINGS: Pick<ObservedRole, "settings" | "ownSettings" | "databaseSettings"> = {
  settings: {},
  ownSettings: [],
  databaseSettings: [],
};

const difference = (current: RoleAttributes, wanted: RoleAttributes): AttributeChange =>
  Object.fromEntries(Object.entries(wanted).filter(([key, value]) => current[key as keyof RoleAttributes] !== value));

/** Postgres lets only a superuser touch a superuser, and only a role that has REPLICATION or BYPASSRLS take it away. */
export const mayAlter = (observed: ObservedTenant, role: ObservedRole): boolean =>
  observed.operator.superuser || !(role.superuser || role.replication || role.bypassRls);
