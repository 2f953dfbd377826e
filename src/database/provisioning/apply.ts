import type { RoleName, TenantDatabaseNames } from "../../api/names.ts";
import {
  type CatalogName,
  catalogIdentifier,
  catalogName,
  type Identifier,
  identifier,
  literal,
  qualified,
} from "../quote.ts";
import type { Queryable } from "../session.ts";
import { allRoles, POLICY, policyExpression } from "./desired.ts";
import { objectSql } from "./object-sql.ts";
import { type Grantee, PUBLIC, type RoleAttributes, type Securable } from "./state.ts";
import type { AttributeChange, Step } from "./step.ts";

/** SQL, and as whom it runs: the operator's own role, or a role of the tenant that it can act as. */
export interface Statement {
  as: "operator" | RoleName;
  sql: string;
}

export interface Scope {
  names: TenantDatabaseNames;
  operator: CatalogName;
}

/** Runs the plan in the caller's transaction, which may be rolled back at any point: nothing is left half done. */
export async function applyPlan(client: Queryable, scope: Scope, steps: readonly Step[]): Promise<void> {
  let role: Statement["as"] = "operator";
  for (const statement of steps.flatMap((step) => statementsOf(step, scope))) {
    if (statement.as !== role) await actAs(client, statement.as);
    role = statement.as;
    await client.query(statement.sql);
  }
  if (role !== "operator") await actAs(client, "operator");
}

/** Until the transaction ends, or until the next call. */
export async function actAs(client: Queryable, role: Statement["as"]): Promise<void> {
  await client.query(`SET LOCAL ROLE ${role === "operator" ? "NONE" : identifier(role)}`);
}

export function statementsOf(step: Step, scope: Scope): Statement[] {
  const { names } = scope;
  const asOperator = (...sql: string[]): Statement[] => sql.map((it) => ({ as: "operator", sql: it }));
  const asOwner = (...sql: string[]): Statement[] => sql.map((it) => ({ as: names.owner, sql: it }));
  switch (step.kind) {
    case "createRole":
      return asOperator(`CREATE ROLE ${identifier(step.role)} NOLOGIN`);
    case "alterRole":
      return asOperator(`ALTER ROLE ${identifier(step.role)} ${attributesSql(step.attributes)}`);
    case "setRoleSetting":
      return asOperator(
        `ALTER ROLE ${identifier(step.role)} SET ${step.name} = ${settingValue(step.name, step.value)}`,
      );
    case "clearDatabaseSetting":
      return asOperator(
        `DO $do$ BEGIN EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET ${step.name}', ${literal(step.role)}, current_database()); END $do$`,
      );
    case "grantMembership": {
      const { role, member, admin, inherit, set } = step.membership;
      return asOperator(
        `GRANT ${roleIdentifier(role)} TO ${roleIdentifier(member)} WITH ADMIN ${flag(admin)}, INHERIT ${flag(inherit)}, SET ${flag(set)}`,
      );
    }
    case "revokeMembership":
      return asOperator(
        `REVOKE ${roleIdentifier(step.role)} FROM ${roleIdentifier(step.member)} GRANTED BY ${catalogIdentifier(step.grantor)} CASCADE`,
      );
    case "createSchema":
      return asOperator(`CREATE SCHEMA ${identifier(step.schema)} AUTHORIZATION ${identifier(step.owner)}`);
    case "changeOwner":
      return changeOwner(step, scope);
    case "revoke":
      return grantable(step.object, names, "REVOKE", step.privileges, "FROM", step.grantee);
    case "grant":
      return grantable(step.object, names, "GRANT", step.privileges, "TO", step.grantee);
    case "enableRowSecurity":
      return asOwner(
        `ALTER TABLE ${qualified(step.schema, step.table)} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
      );
    case "dropPolicy":
      return asOwner(`DROP POLICY ${catalogIdentifier(step.policy)} ON ${qualified(step.schema, step.table)}`);
    case "createPolicy": {
      const members = policyExpression(names);
      return asOwner(
        `CREATE POLICY ${POLICY} ON ${qualified(step.schema, step.table)} FOR ALL TO PUBLIC USING (${members}) WITH CHECK (${members})`,
      );
    }
  }
}

const flag = (value: boolean): string => (value ? "TRUE" : "FALSE");
const roleIdentifier = (role: Grantee): Identifier | "PUBLIC" =>
  role === PUBLIC ? "PUBLIC" : catalogIdentifier(role as CatalogName);

const KEYWORDS: Partial<Record<keyof RoleAttributes, string>> = {
  superuser: "SUPERUSER",
  createRole: "CREATEROLE",
  createDatabase: "CREATEDB",
  replication: "REPLICATION",
  bypassRls: "BYPASSRLS",
  login: "LOGIN",
};

/** Only the attributes that differ: to name SUPERUSER, even to take it away, one has to be a superuser. */
const attributesSql = (attributes: AttributeChange): string =>
  Object.entries(attributes)
    .map(([name, value]) => {
      if (name === "connectionLimit") return `CONNECTION LIMIT ${Number(value)}`;
      if (name === "expires") return "VALID UNTIL 'infinity'";
      return `${value ? "" : "NO"}${KEYWORDS[name as keyof RoleAttributes]}`;
    })
    .join(" ");

/** search_path is a list of names; a literal would become one name with a comma in it. */
const settingValue = (name: string, value: string): string => (name === "search_path" ? value : literal(value));

/** To give an object away one needs the rights of its owner, and of the new one to reach it in its schema; the operator takes them for this moment. */
function changeOwner(step: Step & { kind: "changeOwner" }, { names, operator }: Scope): Statement[] {
  const involved = allRoles(names).filter((role): boolean => role === step.to || catalogName(role) === step.from);
  const inherit = (value: boolean) =>
    involved.map(
      (role) => `GRANT ${identifier(role)} TO ${catalogIdentifier(operator)} WITH INHERIT ${flag(value)}, SET TRUE`,
    );
  const alter = `ALTER ${objectSql(step.object)} OWNER TO ${identifier(step.to)}`;
  return [...inherit(true), alter, ...inherit(false)].map((sql) => ({ as: "operator", sql }));
}

function grantable(
  object: Securable,
  names: TenantDatabaseNames,
  verb: "GRANT" | "REVOKE",
  privileges: string[],
  preposition: "TO" | "FROM",
  grantee: Grantee,
): Statement[] {
  const end = `${preposition} ${roleIdentifier(grantee)}${verb === "REVOKE" ? " CASCADE" : ""}`;
  const list = privileges.map(privilegeKeyword).join(", ");
  if (object.kind === "defaults") {
    const where = object.schema ? ` IN SCHEMA ${identifier(object.schema)}` : "";
    return [
      {
        as: names.owner,
        sql: `ALTER DEFAULT PRIVILEGES FOR ROLE ${identifier(names.owner)}${where} ${verb} ${list} ON ${object.objects} ${end}`,
      },
    ];
  }
  const statement = `${verb} ${list} ON ${objectSql(object)} ${end}`;
  if (object.kind !== "database" && object.kind !== "publicSchema") return [{ as: names.owner, sql: statement }];
  return [
    { as: "operator", sql: "SELECT FROM agentpg_operator.database_rights FOR UPDATE" },
    { as: "operator", sql: statement },
  ];
}

/** aclexplode's names are SQL keywords; anything else never came from there. */
function privilegeKeyword(privilege: string): string {
  if (!/^[A-Z][A-Z ]*$/.test(privilege)) throw new TypeError(`not a privilege: ${JSON.stringify(privilege)}`);
  return privilege;
}
