import type { RoleName, SchemaName } from "../../api/names.ts";
import type { CatalogName } from "../quote.ts";
import { type Grantee, type Membership, PUBLIC, type RoleAttributes, type Securable } from "./state.ts";

/** The attributes that a plan puts right; `login` and `connectionLimit` follow the Tenant's spec, the others never change. */
export type AttributeChange = Partial<RoleAttributes>;

/** One change to Postgres. A plan is a list of them, in the order in which they have to happen. */
export type Step =
  | { kind: "createRole"; role: RoleName; attributes: AttributeChange }
  | { kind: "alterRole"; role: RoleName; attributes: AttributeChange }
  | { kind: "setRoleSetting"; role: RoleName; name: string; value: string }
  /** All of them, for all databases; the wanted ones are set again after it. */
  | { kind: "resetRoleSettings"; role: RoleName; names: string[] }
  /** All that hold for this database only. */
  | { kind: "resetDatabaseSettings"; role: RoleName; names: string[] }
  | { kind: "grantMembership"; membership: Membership }
  | { kind: "revokeMembership"; role: Membership["role"]; member: Membership["member"]; grantor: CatalogName }
  | { kind: "createSchema"; schema: SchemaName; owner: RoleName }
  | { kind: "changeOwner"; object: Securable; from: CatalogName; to: RoleName }
  | { kind: "revoke"; object: Securable; grantee: Grantee; privileges: string[] }
  | { kind: "grant"; object: Securable; grantee: RoleName; privileges: string[] }
  | { kind: "enableRowSecurity"; schema: SchemaName; table: CatalogName }
  | { kind: "dropPolicy"; schema: SchemaName; table: CatalogName; policy: CatalogName }
  | { kind: "createPolicy"; schema: SchemaName; table: CatalogName }
  /** With connections refused to all, until it is closed to PUBLIC. In no transaction. */
  | { kind: "createDatabase"; database: SchemaName }
  | { kind: "closeDatabase"; database: SchemaName }
  | { kind: "forbidCopies"; database: SchemaName }
  | { kind: "allowConnections"; database: SchemaName };

const who = (grantee: Grantee): string => (grantee === PUBLIC ? "PUBLIC" : grantee);

function what(object: Securable): string {
  switch (object.kind) {
    case "database":
      return `database ${object.name}`;
    case "publicSchema":
      return "schema public";
    case "schema":
      return `schema ${object.schema}`;
    case "table":
    case "view":
    case "sequence":
      return `${object.kind} ${object.schema}.${object.name}`;
    case "routine":
      return `routine ${object.signature}`;
    case "defaults":
      return `future ${object.objects.toLowerCase()}${object.schema ? ` in ${object.schema}` : ""}`;
  }
}

/** The step as a sentence, for an Event or a log. */
export function describeStep(step: Step): string {
  switch (step.kind) {
    case "createRole":
      return `created role ${step.role}`;
    case "alterRole":
      return `set ${Object.entries(step.attributes)
        .map(([name, value]) => `${name}=${value}`)
        .join(", ")} on role ${step.role}`;
    case "setRoleSetting":
      return `set ${step.name} of role ${step.role} to ${step.value}`;
    case "resetRoleSettings":
      return `reset ${step.names.join(", ")} of role ${step.role}, which the operator does not set`;
    case "resetDatabaseSettings":
      return `reset ${step.names.join(", ")} of role ${step.role} in this database`;
    case "grantMembership":
      return `made ${step.membership.member} a member of ${step.membership.role}`;
    case "revokeMembership":
      return `removed ${step.member} from ${step.role}`;
    case "createSchema":
      return `created schema ${step.schema}`;
    case "changeOwner":
      return `gave ${what(step.object)} from ${step.from} back to ${step.to}`;
    case "revoke":
      return `revoked ${step.privileges.join(", ")} on ${what(step.object)} from ${who(step.grantee)}`;
    case "grant":
      return `granted ${step.privileges.join(", ")} on ${what(step.object)} to ${step.grantee}`;
    case "enableRowSecurity":
      return `enabled row-level security on ${step.schema}.${step.table}`;
    case "dropPolicy":
      return `dropped policy ${step.policy} on ${step.schema}.${step.table}`;
    case "createPolicy":
      return `created the tenant's policy on ${step.schema}.${step.table}`;
    case "createDatabase":
      return `created database ${step.database}`;
    case "closeDatabase":
      return `revoked all on database ${step.database} from PUBLIC`;
    case "forbidCopies":
      return `set database ${step.database} to be no template`;
    case "allowConnections":
      return `allowed connections to database ${step.database}`;
  }
}

/** Whether the step follows a change of the Tenant's spec, so that it repairs nothing. */
export const followsSpec = (step: Step): boolean =>
  step.kind === "alterRole" && Object.keys(step.attributes).every((name) => name === "connectionLimit");
