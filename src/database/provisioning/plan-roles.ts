import type { RoleName } from "../../api/names.ts";
import { desiredAttributes, desiredSettings } from "./desired.ts";
import type { DesiredTenant, ObservedRole, ObservedTenant, RoleAttributes } from "./state.ts";
import type { Step } from "./step.ts";

export function planRole(observed: ObservedTenant, desired: DesiredTenant, name: RoleName): Step[] {
  const found = observed.roles.find((it) => it.name === name);
  if (found && !mayAlter(observed, found)) return [];
  const current = found ?? newRole(desired, name);
  const settings = Object.entries(desiredSettings(desired.names, name));
  return [
    ...(found ? [] : [{ kind: "createRole", role: name } as const]),
    ...planAttributes(current, desiredAttributes(desired, name)),
    ...settings
      .filter(([key, value]) => current.settings[key] !== value)
      .map(([key, value]) => ({ kind: "setRoleSetting", role: name, name: key, value }) as const),
    ...settings
      .filter(([key]) => current.databaseSettings.includes(key))
      .map(([key]) => ({ kind: "clearDatabaseSetting", role: name, name: key }) as const),
  ];
}

function planAttributes(current: ObservedRole, wanted: RoleAttributes): Step[] {
  const changed = Object.entries(wanted).filter(([key, value]) => current[key as keyof RoleAttributes] !== value);
  if (changed.length === 0) return [];
  return [{ kind: "alterRole", role: current.name, attributes: Object.fromEntries(changed) }];
}

/** What CREATE ROLE makes. */
const newRole = (desired: DesiredTenant, name: RoleName): ObservedRole => ({
  ...desiredAttributes(desired, desired.names.owner),
  name,
  settings: {},
  databaseSettings: [],
});

/** Postgres lets only a superuser touch a superuser, and only a role that has REPLICATION or BYPASSRLS take it away. */
export const mayAlter = (observed: ObservedTenant, role: ObservedRole): boolean =>
  observed.operator.superuser || !(role.superuser || role.replication || role.bypassRls);
