import { catalogIdentifier, catalogName, identifier } from "../quote.ts";
import { objectSql } from "./object-sql.ts";
import { isOurs, isShared, isTenantsOwn } from "./ownership.ts";
import { foreignMemberships, mayRevoke } from "./plan-memberships.ts";
import { mayAlter } from "./plan-roles.ts";
import type { DesiredTenant, ObservedTenant } from "./state.ts";

/** What is wrong and only a superuser can put right: the statements to run, for a person to read. Pure. */
export function beyondOperator(observed: ObservedTenant, desired: DesiredTenant): string[] {
  const quoted = (name: string) => catalogIdentifier(catalogName(name));
  const roles = observed.roles
    .filter((it) => !mayAlter(observed, it))
    .map((it) => `ALTER ROLE ${identifier(it.name)} NOSUPERUSER NOREPLICATION NOBYPASSRLS`);
  const memberships = foreignMemberships(observed, desired)
    .filter((it) => !mayRevoke(observed, desired, it))
    .map((it) => `REVOKE ${quoted(it.role)} FROM ${quoted(it.member)} GRANTED BY ${quoted(it.grantor)}`);
  const looksHere = desired.place !== "elsewhere";
  const owners = observed.objects
    .filter(
      (it) => looksHere && !isShared(it.object) && !isOurs(observed, desired, it) && !isTenantsOwn(desired, it.object),
    )
    .map((it) => `ALTER ${objectSql(it.object)} OWNER TO ${identifier(desired.names.owner)}`);
  const { ownDatabase, operator } = observed;
  const database =
    ownDatabase && !looksHere && !operator.superuser && ownDatabase.owner !== operator.name
      ? [`ALTER DATABASE ${identifier(desired.names.schema)} OWNER TO ${quoted(operator.name)}`]
      : [];
  return [...roles, ...memberships, ...owners, ...database];
}
