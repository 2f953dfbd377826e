import type { TenantDatabaseNames } from "../../api/names.ts";
import type { desiredGrants } from "./desired.ts";
import type { Grant, Grantee, ObservedObject } from "./state.ts";
import type { Step } from "./step.ts";

/** The steps that make the rights on one object exactly the desired ones. A right that may be passed on is never desired. */
export function planGrants(
  observed: ObservedObject,
  names: TenantDatabaseNames,
  wanted: ReturnType<typeof desiredGrants>,
): Step[] {
  const { object } = observed;
  // What the owner role was granted on an object that it does not own yet becomes its owner's right.
  const grants = observed.grants.filter((it) => it.grantee !== names.owner);
  const columnGrants = observed.columnGrants.filter((it) => it.grantee !== names.owner);
  const isWanted = (it: Grant) =>
    wanted.some((one) => one.grantee === it.grantee && one.privileges.includes(it.privilege));
  const isHeld = (grantee: Grantee, privilege: string) =>
    grants.some((it) => it.grantee === grantee && it.privilege === privilege && !it.grantable);
  // A revoke on the table takes the same right on its columns away with it.
  const extra = [
    ...grants.filter((it) => it.grantable || !isWanted(it)),
    ...columnGrants.filter((it) => it.grantable || !isWanted(it)),
  ];
  return [
    ...byGrantee(extra).map(({ grantee, privileges }) => ({ kind: "revoke", object, grantee, privileges }) as const),
    ...wanted
      .map(({ grantee, privileges }) => ({
        grantee,
        privileges: privileges.filter((it) => !isHeld(grantee, it) || isRevoked(extra, grantee, it)),
      }))
      .filter(({ privileges }) => privileges.length > 0)
      .map(({ grantee, privileges }) => ({ kind: "grant", object, grantee, privileges }) as const),
  ];
}

const isRevoked = (extra: Grant[], grantee: Grantee, privilege: string): boolean =>
  extra.some((it) => it.grantee === grantee && it.privilege === privilege);

function byGrantee(grants: Grant[]): { grantee: Grantee; privileges: string[] }[] {
  const grantees = new Map<Grantee, Set<string>>();
  for (const { grantee, privilege } of grants)
    grantees.set(grantee, (grantees.get(grantee) ?? new Set()).add(privilege));
  return [...grantees].map(([grantee, privileges]) => ({ grantee, privileges: [...privileges] }));
}
