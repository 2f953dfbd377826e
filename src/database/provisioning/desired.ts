import type { RoleName, TenantDatabaseNames } from "../../api/names.ts";
import type { DesiredTenant, Membership, RoleAttributes, Securable } from "./state.ts";

export const allRoles = (names: TenantDatabaseNames): RoleName[] => [
  names.owner,
  names.readWrite,
  names.tool,
  names.logins.a,
  names.logins.b,
];

/** What CREATE ROLE gives. */
export const GROUP: RoleAttributes = {
  superuser: false,
  createRole: false,
  createDatabase: false,
  replication: false,
  bypassRls: false,
  login: false,
  expires: false,
  connectionLimit: -1,
};

/** The attributes of each role. */
export function desiredAttributes(desired: DesiredTenant, role: RoleName): RoleAttributes {
  const { logins, owner } = desired.names;
  // It makes the tenant's other roles. Postgres goes through all roles that a role can manage each time it manages one:
  // the operator, if it made them all itself, would be slower with each tenant.
  if (role === owner) return { ...GROUP, createRole: true };
  if (role !== logins.a && role !== logins.b) return GROUP;
  const login = desired.openLogins.includes(role === logins.a ? "a" : "b");
  return { ...GROUP, login, connectionLimit: desired.connectionLimit };
}

/** The settings that each session of a login starts with. A tenant can change them for itself; that is drift, and harms nobody else. */
export function desiredSettings(names: TenantDatabaseNames, role: RoleName): Record<string, string> {
  if (role !== names.logins.a && role !== names.logins.b) return {};
  return {
    search_path: `${names.schema}, pg_temp`,
    statement_timeout: "60s",
    idle_in_transaction_session_timeout: "60s",
    lock_timeout: "10s",
  };
}

/**
 * A login has the rights of `_rw` always, those of `_tool` only after SET ROLE, and then no others. The owner has the
 * rights of the logins, so that the operator, as the owner, sees their sessions and can end them.
 */
export function desiredMemberships(names: TenantDatabaseNames): Membership[] {
  return [names.logins.a, names.logins.b].flatMap((member) => [
    { role: member, member: names.owner, admin: false, inherit: true, set: false },
    { role: names.readWrite, member, admin: false, inherit: true, set: false },
    { role: names.tool, member, admin: false, inherit: false, set: true },
  ]);
}

const READ_AND_WRITE = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/** Tables of AgentPG in which the runtime may do less than read and write. */
const TABLE_RIGHTS: Record<string, string[]> = {
  schema_version: ["SELECT"],
  audit: ["SELECT", "INSERT"],
  audit_head: ["SELECT", "UPDATE"],
  message_archive: ["SELECT", "INSERT"],
  lifecycle: ["SELECT"],
  // UPDATE is what FOR UPDATE needs.
  budget: ["SELECT", "UPDATE"],
};

/** Who may do what with an object, apart from its owner. Nobody else may do anything, PUBLIC included. */
export function desiredGrants(
  names: TenantDatabaseNames,
  object: Securable,
): { grantee: RoleName; privileges: string[] }[] {
  const only = (grantee: RoleName, ...privileges: string[]) => [{ grantee, privileges }];
  switch (object.kind) {
    case "publicSchema":
      return [];
    case "database":
      return only(names.readWrite, "CONNECT");
    case "schema":
      return only(object.schema === names.schema ? names.readWrite : names.tool, "USAGE");
    case "table":
      if (object.schema === names.dataSchema) return only(names.tool, "SELECT");
      return only(names.readWrite, ...(TABLE_RIGHTS[object.name] ?? READ_AND_WRITE));
    case "view":
      return only(object.schema === names.dataSchema ? names.tool : names.readWrite, "SELECT");
    case "sequence":
      return object.schema === names.schema ? only(names.readWrite, "USAGE", "SELECT") : [];
    case "routine":
      return object.schema === names.schema ? only(names.readWrite, "EXECUTE") : [];
    case "defaults":
      return desiredDefaults(names, object);
  }
}

function desiredDefaults(names: TenantDatabaseNames, object: Securable & { kind: "defaults" }) {
  const only = (grantee: RoleName, ...privileges: string[]) => [{ grantee, privileges }];
  // Without a schema: what Postgres itself gives to PUBLIC, EXECUTE on functions. It can only be taken away there.
  if (!object.schema) return [];
  if (object.schema === names.dataSchema) return object.objects === "TABLES" ? only(names.tool, "SELECT") : [];
  if (object.objects === "TABLES") return only(names.readWrite, ...READ_AND_WRITE);
  return object.objects === "SEQUENCES" ? only(names.readWrite, "USAGE", "SELECT") : only(names.readWrite, "EXECUTE");
}

/** The policy on each table of the tenant's schema. */
export const POLICY = "tenant_members";

/**
 * True for sessions that logged in as a member of the tenant's `_rw`. `session_user` cannot be changed without being a
 * superuser; a setting (GUC) can be changed by anyone, so it would be no wall. The operator's role is a member of the
 * owner role, which has ADMIN on the others, so it passes and can migrate, delete and erase rows as the owner; FORCE keeps out
 * whoever is no member. In the words in which Postgres gives it back, so that it can be compared.
 */
export const policyExpression = (names: TenantDatabaseNames): string =>
  `pg_has_role(SESSION_USER, '${names.readWrite}'::name, 'MEMBER'::text)`;
