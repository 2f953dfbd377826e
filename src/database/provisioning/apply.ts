import type { QueryResult, QueryResultRow } from "pg";
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
import { type Grantee, type Place, PUBLIC, type RoleAttributes, type Securable } from "./state.ts";
import type { AttributeChange, Step } from "./step.ts";

/** SQL, and as whom it runs: the operator's own role, or a role of the tenant that it can act as. */
export interface Statement {
  as: "operator" | RoleName;
  sql: string;
}

export interface Scope {
  names: TenantDatabaseNames;
  place: Place;
  operator: CatalogName;
}

/** Runs the plan in the caller's transaction, which may be rolled back at any point: nothing is left half done. One round trip. */
export async function applyPlan(client: Queryable, scope: Scope, steps: readonly Step[]): Promise<void> {
  let role: Statement["as"] = "operator";
  const texts: string[] = [];
  for (const statement of steps.flatMap((step) => statementsOf(step, scope))) {
    if (statement.as !== role) texts.push(becoming(statement.as));
    role = statement.as;
    texts.push(statement.sql);
  }
  if (role !== "operator") texts.push(becoming("operator"));
  if (texts.length > 0) await client.query(texts.join(";\n"));
}

const becoming = (role: Statement["as"]): string => `SET LOCAL ROLE ${role === "operator" ? "NONE" : identifier(role)}`;

/** Reads as a role, which the transaction goes on as. One message, where two would be two ways to the server and back. */
export async function readAs<Row extends QueryResultRow>(
  client: Queryable,
  role: Statement["as"],
  sql: string,
): Promise<Row[]> {
  const results = await client.query<Row>(`${becoming(role)}; ${sql}`);
  // Of several statements node-postgres gives several results, which its types do not tell.
  return (results as unknown as QueryResult<Row>[]).at(-1)?.rows ?? [];
}

/** Until the transaction ends, or until the next call. */
export async function actAs(client: Queryable, role: Statement["as"]): Promise<void> {
  await client.query(becoming(role));
}

export function statementsOf(step: Step, scope: Scope): Statement[] {
  const { names, operator } = scope;
  const asOperator = (...sql: string[]): Statement[] => sql.map((it) => ({ as: "operator", sql: it }));
  const asOwner = (...sql: string[]): Statement[] => sql.map((it) => ({ as: names.owner, sql: it }));
  switch (step.kind) {
    case "createRole":
      return createRole(step, names);
    case "alterRole":
      return asOperator(`ALTER ROLE ${identifier(step.role)} ${attributesSql(step.attributes)}`);
    case "setRoleSetting":
      return asOwner(`ALTER ROLE ${identifier(step.role)} SET ${step.name} = ${settingValue(step.name, step.value)}`);
    case "resetRoleSettings":
      return asOwner(`ALTER ROLE ${identifier(step.role)} RESET ALL`);
    case "resetDatabaseSettings":
      return asOwner(
        `DO $do$ BEGIN EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET ALL', ${literal(step.role)}, current_database()); END $do$`,
      );
    case "grantMembership": {
      const { role, member, admin, inherit, set } = step.membership;
      const sql = `GRANT ${roleIdentifier(role)} TO ${roleIdentifier(member)} WITH ADMIN ${flag(admin)}, INHERIT ${flag(inherit)}, SET ${flag(set)}`;
      // An owner cannot make itself the administrator of a role.
      return member === operator || admin ? asOperator(sql) : asOwner(sql);
    }
    case "revokeMembership": {
      const sql = `REVOKE ${roleIdentifier(step.role)} FROM ${roleIdentifier(step.member)} GRANTED BY ${catalogIdentifier(step.grantor)} CASCADE`;
      return catalogName(names.owner) === step.grantor ? asOwner(sql) : asOperator(sql);
    }
    case "createSchema":
      return asOperator(`CREATE SCHEMA ${identifier(step.schema)} AUTHORIZATION ${identifier(step.owner)}`);
    case "changeOwner":
      return changeOwner(step, scope);
    case "revoke":
      return grantable(step.object, scope, "REVOKE", step.privileges, "FROM", step.grantee);
    case "grant":
      return grantable(step.object, scope, "GRANT", step.privileges, "TO", step.grantee);
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
    case "createDatabase":
      // From template1: what a superuser closed there (docs/security.md) has to be closed here too, and only a superuser could.
      return asOperator(`CREATE DATABASE ${identifier(step.database)} ENCODING 'UTF8' ALLOW_CONNECTIONS false`);
    case "closeDatabase":
      return asOperator(`REVOKE ALL ON DATABASE ${identifier(step.database)} FROM PUBLIC`);
    case "forbidCopies":
      return asOperator(`ALTER DATABASE ${identifier(step.database)} IS_TEMPLATE false`);
    case "allowConnections":
      return asOperator(`ALTER DATABASE ${identifier(step.database)} ALLOW_CONNECTIONS true`);
  }
}

/** The operator makes the owner, and gets the right to act as it; the owner makes the others. */
function createRole({ role, attributes }: Step & { kind: "createRole" }, { owner }: TenantDatabaseNames): Statement[] {
  const sql = `CREATE ROLE ${identifier(role)} ${attributesSql(attributes)}`;
  if (role !== owner) return [{ as: owner, sql }];
  const texts = ["SET LOCAL createrole_self_grant = 'set'", sql, "SET LOCAL createrole_self_grant = ''"];
  return texts.map((it) => ({ as: "operator", sql: it }));
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
function changeOwner(step: Step & { kind: "changeOwner" }, scope: Scope): Statement[] {
  const { names } = scope;
  const involved = allRoles(names).filter((role): boolean => role === step.to || catalogName(role) === step.from);
  const lent = involved.map((role) => lendToOperator(scope, role, { inherit: true, set: true }));
  const alter = { as: "operator", sql: `ALTER ${objectSql(step.object)} OWNER TO ${identifier(step.to)}` } as const;
  const returned = involved.map((role) => lendToOperator(scope, role, { inherit: false, set: role === names.owner }));
  return [...lent, alter, ...returned];
}

/** Gives the operator the rights of a role, or takes them back. A role is granted by the one that made it. */
export function lendToOperator(
  { names, operator }: Pick<Scope, "names" | "operator">,
  role: RoleName,
  { inherit, set }: { inherit: boolean; set: boolean },
): Statement {
  const sql = `GRANT ${identifier(role)} TO ${catalogIdentifier(operator)} WITH INHERIT ${flag(inherit)}, SET ${flag(set)}`;
  return { as: role === names.owner ? "operator" : names.owner, sql };
}

function grantable(
  object: Securable,
  { names, place }: Scope,
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
  const turn = { as: "operator", sql: "SELECT FROM agentpg_operator.database_rights FOR UPDATE" } as const;
  return [...(place === "own" ? [] : [turn]), { as: "operator", sql: statement }];
}

/** aclexplode's names are SQL keywords; anything else never came from there. */
function privilegeKeyword(privilege: string): string {
  if (!/^[A-Z][A-Z ]*$/.test(privilege)) throw new TypeError(`not a privilege: ${JSON.stringify(privilege)}`);
  return privilege;
}
