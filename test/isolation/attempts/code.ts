import { run, withClient } from "../../database/fixture.ts";
import type { Attempt } from "../attempt.ts";
import { asAttacker, type Field, type Sql, superuser } from "../field.ts";
import { all, aSuperuser, DENIED, mayCreateInDatabase, mayCreateInOwnSchema, memberOf, opened } from "./weaknesses.ts";

const plant = (name: string, sql: Sql, weakness: Sql, more: Partial<Attempt> = {}): Attempt => ({
  group: "code of the attacker",
  name,
  sql,
  refused: [DENIED],
  weakness,
  where: "own",
  ...more,
});

const mayTrigger =
  (table: string): Sql =>
  (_v, me) =>
    `GRANT TRIGGER ON ${me.schema}.${table} TO ${me.login}`;

/** All kinds of objects, each tried on its own: one that it may create is one that it owns. */
const KINDS = (schema: string) => [
  `CREATE TABLE ${schema}.mine (id int)`,
  `CREATE VIEW ${schema}.mine2 AS SELECT 1`,
  `CREATE SEQUENCE ${schema}.mine3`,
  `CREATE FUNCTION ${schema}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
  `CREATE PROCEDURE ${schema}.mine4() LANGUAGE sql AS 'SELECT 1'`,
  `CREATE AGGREGATE ${schema}.mine5(int) (SFUNC = int4pl, STYPE = int)`,
  `CREATE TYPE ${schema}.mine6 AS (a int)`,
  `CREATE DOMAIN ${schema}.mine7 AS int`,
  `CREATE TYPE ${schema}.mine8 AS ENUM ('x')`,
  `CREATE OPERATOR ${schema}.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)`,
  `CREATE COLLATION ${schema}.mine9 (locale = 'C')`,
  `CREATE STATISTICS ${schema}.mine10 ON id, agent FROM ${schema}.sessions`,
  `CREATE TEXT SEARCH DICTIONARY ${schema}.mine11 (TEMPLATE = simple)`,
  "CREATE TEMP TABLE mine (id int)",
  `CREATE SCHEMA ${schema}_mine`,
  "CREATE PUBLICATION mine",
];

/** Everything that the login owns, in all databases. */
async function ownNothing(field: Field): Promise<Record<string, unknown>[]> {
  await withClient(asAttacker(field, "own"), async (client) => {
    for (const schema of [field.b.names.schema, field.b.names.dataSchema, "public"])
      for (const sql of KINDS(schema)) await client.query(sql).catch(() => {});
  });
  const { logins, readWrite, tool } = field.b.names;
  const { rows } = await superuser(field, "own").query<Record<string, unknown>>(
    `SELECT classid::regclass::text AS class, objid::text FROM pg_shdepend
      WHERE deptype = 'o' AND refobjid IN (SELECT oid FROM pg_roles WHERE rolname = ANY($1))`,
    [[logins.a, logins.b, readWrite, tool]],
  );
  return rows;
}

/** Puts a view that raises who reads it in the place of the table that the operator reads, and lets the operator read. */
async function bait(field: Field): Promise<void> {
  const { schema } = field.b.names;
  await run(
    asAttacker(field, "own"),
    `CREATE FUNCTION ${schema}.bait() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
     GRANT EXECUTE ON FUNCTION ${schema}.bait() TO PUBLIC;
     ALTER TABLE ${schema}.workers RENAME TO old;
     CREATE VIEW ${schema}.workers AS SELECT 'x'::text AS agent, 'infinity'::timestamptz AS expires_at, now() AS started_at, ${schema}.bait() AS report;
     GRANT SELECT ON ${schema}.workers TO PUBLIC`,
  ).catch(() => {});
  await field.leader.database.reportedProblems(field.b.request);
}

/** A trigger on rows that the operator deletes as the owner. */
async function ambush(field: Field): Promise<Record<string, unknown>[]> {
  const { schema, owner } = field.b.names;
  await run(
    asAttacker(field, "own"),
    `CREATE FUNCTION ${schema}.ambush() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
     GRANT EXECUTE ON FUNCTION ${schema}.ambush() TO PUBLIC;
     CREATE TRIGGER ambush BEFORE DELETE ON ${schema}.sessions FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.ambush()`,
  ).catch(() => {});
  const inTenant = { ...field.leader.admin, database: field.b.connection.database };
  return run(inTenant, `SET ROLE ${owner}; DELETE FROM ${schema}.sessions`);
}

const OPEN_TO_ATTACKER = `p.prosecdef AND has_function_privilege($1, p.oid, 'EXECUTE') AND has_schema_privilege($1, n.oid, 'USAGE')`;

export const code: Attempt[] = [
  {
    group: "code of the attacker",
    name: "own anything at all",
    where: "own",
    spoils: true,
    act: ownNothing,
    harm: (_field, { rows, message }) => (rows.length > 0 ? JSON.stringify(rows) : message),
    weakness: mayCreateInOwnSchema,
  },
  {
    group: "code of the attacker",
    name: "replace a table that the operator reads",
    where: "own",
    spoils: true,
    act: bait,
    harm: (_field, { message }) => message,
    weakness: all(mayCreateInOwnSchema, (_v, me) => `ALTER TABLE ${me.schema}.workers OWNER TO ${me.login}`),
  },
  {
    group: "code of the attacker",
    name: "lie in wait for the operator's deletions with a trigger",
    where: "own",
    spoils: true,
    act: ambush,
    harm: (_field, { message }) => message,
    weakness: all(mayCreateInOwnSchema, mayTrigger("sessions")),
  },
  {
    group: "code of the attacker",
    name: "find a function that runs with another's rights",
    act: (field) =>
      run(
        asAttacker(field, field.tier === "Schema" ? "victim" : "own"),
        `SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
          WHERE ${OPEN_TO_ATTACKER} AND p.oid IS DISTINCT FROM to_regprocedure($2)`,
        // Its own, which deletes what belongs to sessions that are gone.
        [field.b.connection.user, `${field.b.names.schema}.forget_archive(uuid[])`],
      ),
    harm: (_field, { rows, message }) => (rows.length > 0 ? JSON.stringify(rows) : message),
    weakness: (v, me) =>
      `CREATE FUNCTION ${me.schema}.lent() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1::bigint';
       ALTER FUNCTION ${me.schema}.lent() OWNER TO ${v.owner}; GRANT EXECUTE ON FUNCTION ${me.schema}.lent() TO ${me.login}`,
    weaknessAt: "own",
    spoils: true,
  },
  {
    group: "code of the attacker",
    name: "find a view that shows another's tables",
    act: (field) =>
      run(
        asAttacker(field, field.tier === "Schema" ? "victim" : "own"),
        `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AND n.nspname <> 'statements'`,
      ),
    harm: (_field, { rows, message }) => (rows.length > 0 ? JSON.stringify(rows) : message),
    weakness: (_v, me) =>
      `CREATE VIEW ${me.schema}.lent AS SELECT rolname, rolpassword FROM pg_authid; GRANT SELECT ON ${me.schema}.lent TO ${me.login}`,
    weaknessAt: "own",
    spoils: true,
  },
  plant(
    "put a trigger on its own table",
    (_v, me) =>
      `CREATE TRIGGER mine BEFORE UPDATE ON ${me.schema}.runs FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
    mayTrigger("runs"),
  ),
  plant(
    "put a rule on its own table",
    (_v, me) => `CREATE RULE mine AS ON DELETE TO ${me.schema}.runs DO INSTEAD NOTHING`,
    aSuperuser,
  ),
  plant(
    "put a policy on its own table",
    (_v, me) => `CREATE POLICY mine ON ${me.schema}.runs USING (true)`,
    aSuperuser,
  ),
  plant(
    "put a default on its own column",
    (_v, me) => `ALTER TABLE ${me.schema}.runs ALTER agent SET DEFAULT current_user`,
    aSuperuser,
  ),
  plant("put a check on its own table", (_v, me) => `ALTER TABLE ${me.schema}.runs ADD CHECK (true)`, aSuperuser),
  plant(
    "put a trigger on the victim's table",
    (v) =>
      `CREATE TRIGGER mine BEFORE UPDATE ON ${v.schema}.runs FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
    opened("runs", "TRIGGER"),
    { where: "victim" },
  ),
  plant(
    "put a trigger on the operator's table",
    () =>
      "CREATE TRIGGER mine BEFORE UPDATE ON agentpg_operator.tenant FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    (_v, me) =>
      `GRANT USAGE ON SCHEMA agentpg_operator TO ${me.login}; GRANT TRIGGER ON agentpg_operator.tenant TO ${me.login}`,
    { where: "operator" },
  ),
  plant(
    "refer to the victim's rows by a foreign key",
    (v, me) => `CREATE TABLE ${me.schema}.mine (id uuid REFERENCES ${v.schema}.sessions)`,
    (v, me, f) =>
      `CREATE SCHEMA IF NOT EXISTS ${me.schema}; GRANT CREATE, USAGE ON SCHEMA ${me.schema} TO ${me.login}; ${opened("sessions", "REFERENCES")(v, me, f)}`,
    { where: "victim" },
  ),
  plant(
    "create a function that runs with its own rights",
    (_v, me) => `CREATE FUNCTION ${me.schema}.mine() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'`,
    mayCreateInOwnSchema,
  ),
  plant(
    "read the victim's rows from a DO block",
    (v) => `DO $$ BEGIN EXECUTE 'SELECT count(*) FROM ${v.schema}.sessions'; END $$`,
    opened("sessions", "SELECT"),
    { where: "victim" },
  ),
  plant(
    "become the victim in a DO block",
    (v) => `DO $$ BEGIN EXECUTE 'SET LOCAL ROLE ${v.owner}'; END $$`,
    memberOf((v) => v.owner),
  ),
  plant(
    "drop a schema in a DO block",
    (v) => `DO $$ BEGIN EXECUTE 'DROP SCHEMA ${v.dataSchema} CASCADE'; END $$`,
    memberOf((v) => v.owner),
    { where: "victim" },
  ),
  plant(
    "create a schema with a table in it",
    (_v, me) => `CREATE SCHEMA ${me.schema}_mine CREATE TABLE t (id int)`,
    mayCreateInDatabase,
  ),
];
