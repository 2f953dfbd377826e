import { withClient } from "../../database/fixture.ts";
import type { Attempt } from "../attempt.ts";
import { asAttacker, type Field, type Sql, type Where } from "../field.ts";
import { DENIED, memberOf, opened } from "./weaknesses.ts";

const snoop = (name: string, sql: Sql, weakness: Sql, more: Partial<Attempt> = {}): Attempt => ({
  group: "catalogs",
  name,
  sql,
  refused: [DENIED],
  weakness,
  ...more,
});

/** It may be read, but shows nothing of the victim's. */
const contained = (name: string, sql: Sql, weakness: Sql, more: Partial<Attempt> = {}): Attempt => {
  const { refused: _, ...attempt } = snoop(name, sql, weakness, more);
  return { harm: (field, { rows }) => (told(field, rows) ? "a secret came out" : undefined), ...attempt };
};

const told = ({ secrets }: Field, rows: unknown): boolean => {
  const text = JSON.stringify(rows);
  return secrets.some((secret) => text.includes(secret));
};

const monitors = memberOf(() => "pg_monitor");
const aGrant =
  (relation: string): Sql =>
  (_v, me) =>
    `GRANT SELECT ON ${relation} TO ${me.login}`;

const READABLE = `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname IN ('pg_catalog', 'information_schema') AND c.relkind IN ('r', 'v') AND has_table_privilege(c.oid, 'SELECT')`;

/** Reads every catalog and view that it may, as text, and tells which show a secret. */
async function readAllCatalogs(field: Field): Promise<{ catalog: string }[]> {
  const where: Where = field.tier === "Schema" ? "victim" : "own";
  return withClient(asAttacker(field, where), async (client) => {
    const { rows } = await client.query<{ name: string }>(READABLE);
    const showing: { catalog: string }[] = [];
    for (const { name } of rows) {
      const seen = await client
        .query(`SELECT FROM ${name} it, unnest($1::text[]) secret WHERE strpos(it::text, secret) > 0 LIMIT 1`, [
          field.secrets,
        ])
        .catch(() => ({ rowCount: 0 }));
      if (seen.rowCount) showing.push({ catalog: name });
    }
    if (rows.length < 100) throw new Error(`only ${rows.length} catalogs were readable`);
    return showing;
  });
}

export const catalogs: Attempt[] = [
  snoop("read password verifiers", () => "SELECT rolpassword FROM pg_authid", aGrant("pg_authid")),
  snoop("read them through a view", () => "SELECT passwd FROM pg_shadow", aGrant("pg_shadow")),
  snoop("read samples of columns", () => "SELECT * FROM pg_statistic", aGrant("pg_statistic")),
  snoop(
    "read who may connect from where",
    () => "SELECT * FROM pg_hba_file_rules",
    (_v, me) =>
      `GRANT SELECT ON pg_hba_file_rules TO ${me.login}; GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO ${me.login}`,
  ),
  snoop(
    "read the server's configuration files",
    () => "SELECT count(*) FROM pg_file_settings",
    (_v, me) =>
      `GRANT SELECT ON pg_file_settings TO ${me.login}; GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO ${me.login}`,
  ),
  snoop("read where the data directory is", () => "SELECT current_setting('data_directory')", monitors),
  snoop("read the server's memory", () => "SELECT * FROM pg_shmem_allocations", monitors),
  contained(
    "read samples of columns through a view",
    (v) => `SELECT most_common_vals::text FROM pg_stats WHERE schemaname = '${v.schema}'`,
    opened("sessions", "SELECT"),
  ),
  contained("read what the victim is asking", () => "SELECT query FROM pg_stat_activity", monitors),
  contained(
    "read from where it connects",
    (v) => `SELECT client_addr::text AS it FROM pg_stat_activity WHERE usename = '${v.logins.a}'`,
    monitors,
    {
      harm: (_field, { rows }) => (rows.some((row) => row["it"] !== null) ? "an address came out" : undefined),
    },
  ),
  contained(
    "read the statements that ran",
    () => "SELECT query FROM statements.pg_stat_statements",
    memberOf(() => "pg_read_all_stats"),
    {
      where: "operator",
      given: (_v, me) =>
        `CREATE SCHEMA IF NOT EXISTS statements; CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA statements; GRANT USAGE ON SCHEMA statements TO ${me.login}`,
    },
  ),
  {
    group: "catalogs",
    name: "read every catalog and look for the victim's secrets",
    act: readAllCatalogs,
    harm: (_field, { rows, message }) => (rows.length > 0 ? JSON.stringify(rows) : message),
    weakness: (...n) => [aGrant("pg_statistic")(...n), aGrant("pg_largeobject")(...n), monitors(...n)].join(";"),
    weaknessAt: "own",
  },
];
