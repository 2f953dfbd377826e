import type { Attempt } from "../attempt.ts";
import { codeOfFailure, run } from "../../database/fixture.ts";
import type { Field, Sql } from "../field.ts";
import { all, aSuperuser, DENIED, memberOf, withAttribute } from "./weaknesses.ts";

const asRole = (name: string, sql: Sql, weakness: Sql, more: Partial<Attempt> = {}): Attempt => ({
  group: "roles",
  name,
  sql,
  refused: [DENIED],
  weakness,
  where: "own",
  ...more,
});

/** What it needs to alter a role since Postgres 16. */
const administers = (role: Sql): Sql =>
  all(withAttribute("CREATEROLE"), (...names) => `GRANT ${role(...names)} TO ${names[1].login} WITH ADMIN TRUE`);

export const roles: Attempt[] = [
  asRole(
    "become the victim's owner",
    (v) => `SET LOCAL ROLE ${v.owner}`,
    memberOf((v) => v.owner),
  ),
  asRole(
    "become the victim's group",
    (v) => `SET LOCAL ROLE ${v.readWrite}`,
    memberOf((v) => v.readWrite),
  ),
  asRole(
    "become the victim's login",
    (v) => `SET LOCAL ROLE ${v.logins.a}`,
    memberOf((v) => v.logins.a),
  ),
  asRole(
    "become the victim's tool",
    (v) => `SET LOCAL ROLE ${v.tool}`,
    memberOf((v) => v.tool),
  ),
  asRole("become its own owner", (_v, me) => `SET LOCAL ROLE ${me.owner}`, aSuperuser),
  asRole(
    "become its own group",
    (_v, me) => `SET LOCAL ROLE ${me.readWrite}`,
    (_v, me) => `GRANT ${me.readWrite} TO ${me.login} WITH SET TRUE`,
  ),
  asRole("become the operator", (_v, _me, f) => `SET LOCAL ROLE ${f.leader.admin.user}`, aSuperuser),
  asRole(
    "become a superuser",
    () => "SET LOCAL ROLE postgres",
    memberOf(() => "postgres"),
  ),
  asRole("be another session user", (v) => `SET LOCAL SESSION AUTHORIZATION ${v.logins.a}`, aSuperuser),
  asRole("make itself a superuser", (_v, me) => `ALTER ROLE ${me.login} SUPERUSER`, aSuperuser),
  asRole("pass by row security", (_v, me) => `ALTER ROLE ${me.login} BYPASSRLS`, aSuperuser),
  asRole("get CREATEROLE", (_v, me) => `ALTER ROLE ${me.login} CREATEROLE`, aSuperuser),
  asRole("get REPLICATION", (_v, me) => `ALTER ROLE ${me.login} REPLICATION`, aSuperuser),
  asRole("lift its connection limit", (_v, me) => `ALTER ROLE ${me.login} CONNECTION LIMIT -1`, aSuperuser),
  asRole("end its password", (_v, me) => `ALTER ROLE ${me.login} VALID UNTIL 'infinity'`, aSuperuser),
  asRole(
    "open its other login",
    (_v, me) => `ALTER ROLE ${me.logins.b} LOGIN PASSWORD 'x'`,
    administers((_v, me) => me.logins.b),
  ),
  asRole(
    "change the victim's password",
    (v) => `ALTER ROLE ${v.logins.a} PASSWORD 'x'`,
    administers((v) => v.logins.a),
  ),
  asRole(
    "change the operator's password",
    (_v, _me, f) => `ALTER ROLE ${f.leader.admin.user} PASSWORD 'x'`,
    aSuperuser,
  ),
  asRole(
    "change the victim's settings",
    (v) => `ALTER ROLE ${v.logins.a} SET search_path = public`,
    administers((v) => v.logins.a),
  ),
  asRole(
    "change the operator's settings",
    (_v, _me, f) => `ALTER ROLE ${f.leader.admin.user} SET search_path = public`,
    aSuperuser,
  ),
  asRole("change the settings of all roles", () => "ALTER ROLE ALL SET work_mem = '1GB'", aSuperuser),
  asRole(
    "change the settings of the database",
    (_v, _me, f) => `ALTER DATABASE ${f.leader.admin.database} SET search_path = public`,
    aSuperuser,
  ),
  asRole(
    "drop the victim's login",
    (v) => `DROP ROLE ${v.logins.b}`,
    all(aSuperuser, (v) => `DROP OWNED BY ${v.logins.b}`),
  ),
  asRole(
    "rename the victim's login",
    (v) => `ALTER ROLE ${v.logins.b} RENAME TO mine`,
    administers((v) => v.logins.b),
  ),
  asRole("create a role", (_v, me) => `CREATE ROLE ${me.schema}_x`, withAttribute("CREATEROLE")),
  asRole(
    "grant itself the victim's group",
    (v, me) => `GRANT ${v.readWrite} TO ${me.login}`,
    administers((v) => v.readWrite),
  ),
  asRole(
    "grant itself all data",
    (_v, me) => `GRANT pg_read_all_data TO ${me.login}`,
    administers(() => "pg_read_all_data"),
  ),
  asRole(
    "pass its own group on to the victim",
    (v, me) => `GRANT ${me.readWrite} TO ${v.logins.a}`,
    administers((_v, me) => me.readWrite),
  ),
  asRole("pass its own login on", (v, me) => `GRANT ${me.login} TO ${v.logins.a}`, aSuperuser),
  {
    group: "roles",
    name: "change its own password and settings, which is its own harm",
    where: "own",
    spoils: true,
    changes: ["registry"],
    act: ({ b }) =>
      run(
        b.connection,
        ["PASSWORD 'mine'", "SET statement_timeout = 0", "SET default_transaction_read_only = on"]
          .map((change) => `ALTER ROLE ${b.connection.user} ${change}`)
          .join(";"),
      ),
    harm: lastingHarm,
    // The operator cannot put a superuser right.
    weakness: aSuperuser,
  },
];

/** What is left of it after the operator's next look at the tenant and at its Secret; undefined: nothing. */
async function lastingHarm({ leader: { database, epoch }, b }: Field): Promise<string | undefined> {
  const ensured = await database.ensure(b.request, epoch).catch((error: Error) => error);
  if (ensured instanceof Error) return ensured.message;
  const others = ensured.repairs.filter((it) => !it.includes(b.connection.user));
  if (ensured.repairs.length === 0 || others.length > 0) return `repaired: ${ensured.repairs.join()}`;
  const { connection } = await database.ensurePassword(b.request, b.connection.password, epoch);
  if ((await codeOfFailure(run({ ...connection, password: "mine" }, "SELECT 1"))) !== "28P01")
    return "its own password still opens the login";
  const settings =
    "current_setting('statement_timeout') AS timeout, current_setting('default_transaction_read_only') AS ro";
  const left = JSON.stringify(await run(connection, `SELECT ${settings}`));
  return left === '[{"timeout":"1min","ro":"off"}]' ? undefined : left;
}
