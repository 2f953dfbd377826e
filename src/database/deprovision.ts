import { type RoleName, tenantDatabaseNames, type TenantDatabaseNames } from "../api/names.ts";
import type { Environment } from "./ensure.ts";
import { BackendsRemain } from "./errors.ts";
import { actAs, applyPlan, lendToOperator } from "./provisioning/apply.ts";
import { allRoles } from "./provisioning/desired.ts";
import { observeTenant } from "./provisioning/observe.ts";
import { planAdministration, planMemberships } from "./provisioning/plan-memberships.ts";
import { type CatalogName, identifier, qualified } from "./quote.ts";
import {
  clusterOf,
  forgetTenant,
  lockTenant,
  markDeleting,
  markRetained,
  ownDatabase,
  refuseIfHeldByOther,
  type TenantRecord,
} from "./registry.ts";
import type { Queryable } from "./session.ts";

export type DeletionPolicy = "Retain" | "Delete";

/** Relations that one transaction drops: each takes a lock until its end, and the server's lock table is shared by all. */
const BATCH = 20;
const BACKENDS_DEADLINE_MS = 20_000;

/**
 * Closes the logins and ends their connections; with `Delete`, drops all that the tenant has. Every part looks at what is
 * still there, so it may be called again after any failure. A deletion that began goes on, whatever the policy says by then.
 * @throws BackendsRemain, DependentObjectsRemain and the other DatabaseErrors
 */
export async function deprovisionTenant(
  environment: Environment,
  uid: string,
  policy: DeletionPolicy,
  epoch: number,
): Promise<void> {
  const { sessions } = environment;
  const record = await sessions.fenced(epoch, "closing the tenant's logins", (client) =>
    closeTenant(client, environment, uid, policy, epoch),
  );
  if (!record) return;
  const names = tenantDatabaseNames(record.id);
  await endBackends(environment, names, epoch);
  if (record.state === "retained") return;
  if (ownDatabase(record)) await dropDatabase(environment, record, epoch);
  const dropSome = (client: Queryable) => dropRelations(client, uid, names);
  while ((await sessions.fenced(epoch, `dropping tables of ${record.id}`, dropSome)) > 0);
  await sessions.fenced(epoch, `dropping schemas and roles of ${record.id}`, (client) =>
    dropTenant(client, uid, names),
  );
}

async function closeTenant(
  client: Queryable,
  { clusterUid }: Environment,
  uid: string,
  policy: DeletionPolicy,
  epoch: number,
): Promise<TenantRecord | undefined> {
  const record = await lockTenant(client, uid);
  if (!record || clusterOf(record.clusterUid) !== clusterOf(clusterUid)) return undefined;
  refuseIfHeldByOther(record, clusterUid);
  const state = policy === "Delete" || record.state === "deleting" ? "deleting" : "retained";
  await (state === "deleting" ? markDeleting : markRetained)(client, record.id, epoch);
  const names = tenantDatabaseNames(record.id);
  const { logins } = names;
  const roles = await existingRoles(client, names);
  if (roles.length === allRoles(names).length && !(await isAdministered(client, names)))
    await administer(client, record);
  for (const role of roles) {
    // The password goes too, so that an adoption later opens no login to somebody who kept it.
    if (role === logins.a || role === logins.b)
      await client.query(`ALTER ROLE ${identifier(role)} NOLOGIN PASSWORD NULL`);
  }
  return { ...record, state };
}

/** Whether {@link administer} has nothing to do. It looks at tables, and so waits for a tenant that locks its own. */
async function isAdministered(client: Queryable, { owner, ...names }: TenantDatabaseNames): Promise<boolean> {
  const logins = Object.values(names.logins);
  const { rows } = await client.query<{ all: boolean }>(
    `SELECT pg_has_role($1::name, 'SET')
            AND (SELECT bool_and(pg_has_role($1::name, role, 'MEMBER WITH ADMIN OPTION')) FROM unnest($2::name[]) role)
            AND (SELECT bool_and(pg_has_role($1::name, login, 'USAGE')) FROM unnest($3::name[]) login) AS all`,
    [owner, [names.readWrite, names.tool, ...logins], logins],
  );
  return rows[0]?.all ?? false;
}

/** Gives the owner role its rights on the others, if it lacks any: what follows is done as the owner. */
async function administer(client: Queryable, record: TenantRecord): Promise<void> {
  const names = tenantDatabaseNames(record.id);
  const observed = await observeTenant(client, names);
  const desired = { names, place: "elsewhere", connectionLimit: -1, openLogins: [] } as const;
  const steps = [...planAdministration(observed, desired), ...planMemberships(observed, desired)];
  await applyPlan(client, { ...desired, operator: observed.operator.name }, steps);
}

async function existingRoles(client: Queryable, names: TenantDatabaseNames): Promise<RoleName[]> {
  const roles = allRoles(names).toReversed();
  const { rows } = await client.query<{ name: string }>(
    "SELECT rolname AS name FROM pg_roles WHERE rolname = ANY($1)",
    [roles],
  );
  return roles.filter((role) => rows.some((row) => row.name === role));
}

/** With whoever is still connected: nobody may be any more. */
async function dropDatabase({ sessions }: Environment, record: TenantRecord, epoch: number): Promise<void> {
  const database = tenantDatabaseNames(record.id).schema;
  const doing = `dropping database ${database}`;
  sessions.leaveDatabase(database).catch(() => {}); // FORCE ends what stays
  await sessions.fenced(epoch, doing, async (fence) => {
    const current = await lockTenant(fence, record.uid);
    if (current?.state !== "deleting") return;
    await sessions.alone(fence, doing, `DROP DATABASE IF EXISTS ${identifier(database)} WITH (FORCE)`);
  });
}

/** Ends the connections of the tenant's logins and waits until the server shows none. */
async function endBackends({ sessions }: Environment, names: TenantDatabaseNames, epoch: number): Promise<void> {
  const deadline = Date.now() + BACKENDS_DEADLINE_MS;
  for (;;) {
    const left = await sessions.fenced(epoch, "ending the tenant's connections", (client) =>
      terminateBackends(client, names),
    );
    if (left === 0) return;
    if (Date.now() > deadline) {
      throw new BackendsRemain(
        `${left} connections of ${names.schema} do not end: look at them in pg_stat_activity; it is tried again`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Signals them, and says how many there were. Acts as the owner, which has the rights of the logins. */
async function terminateBackends(client: Queryable, names: TenantDatabaseNames): Promise<number> {
  const { rows } = await client.query<{ pid: number }>(
    "SELECT a.pid FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid WHERE r.rolname = ANY($1)",
    [[names.logins.a, names.logins.b]],
  );
  if (rows.length === 0) return 0;
  await actAs(client, names.owner);
  await client.query("SELECT pg_terminate_backend(pid) FROM unnest($1::integer[]) AS pid", [rows.map((it) => it.pid)]);
  await actAs(client, "operator");
  return rows.length;
}

const DROP = { r: "TABLE", p: "TABLE", f: "FOREIGN TABLE", v: "VIEW", m: "MATERIALIZED VIEW", S: "SEQUENCE" } as const;

/** Drops one batch of the tenant's relations and returns how many were found. Sequences last: that of an identity column goes only with its table. */
async function dropRelations(client: Queryable, uid: string, names: TenantDatabaseNames): Promise<number> {
  await lockTenant(client, uid);
  const { rows } = await client.query<{ schema: typeof names.schema; name: CatalogName; kind: keyof typeof DROP }>(
    `SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = ANY($1) AND c.relkind = ANY($2::"char"[]) ORDER BY c.relkind = 'S', c.oid LIMIT $3`,
    [[names.schema, names.dataSchema], Object.keys(DROP), BATCH],
  );
  if (rows.length === 0) return 0;
  await actAs(client, names.owner);
  for (const { schema, name, kind } of rows)
    await client.query(`DROP ${DROP[kind]} IF EXISTS ${qualified(schema, name)} CASCADE`);
  return rows.length;
}

/** The schemas with what is left in them, the roles, and the claim: in one transaction. */
async function dropTenant(client: Queryable, uid: string, names: TenantDatabaseNames): Promise<void> {
  const record = await lockTenant(client, uid);
  if (!record) return;
  const roles = await existingRoles(client, names);
  if (roles.includes(names.owner)) {
    await actAs(client, names.owner);
    for (const schema of [names.schema, names.dataSchema])
      await client.query(`DROP SCHEMA IF EXISTS ${identifier(schema)} CASCADE`);
    await actAs(client, "operator");
  }
  // DROP OWNED takes the rights on the database away too.
  await client.query("SELECT FROM agentpg_operator.database_rights FOR UPDATE");
  const { operator } = await observeTenant(client, names);
  for (const role of roles) {
    // As the operator, which owns the database: acting as the role itself, Postgres would leave what others granted to it.
    if (!operator.superuser) {
      const lent = lendToOperator({ names, operator: operator.name }, role, { inherit: true, set: false });
      await actAs(client, lent.as);
      await client.query(lent.sql);
      await actAs(client, "operator");
    }
    await client.query(`DROP OWNED BY ${identifier(role)} CASCADE`);
    await client.query(`DROP ROLE ${identifier(role)}`);
  }
  await forgetTenant(client, record.id);
}
