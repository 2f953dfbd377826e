import type { Sql, Tier } from "./field.ts";

/** What every role of a Postgres server sees, whatever its rights. Told in docs/security.md; the tests keep that list honest. */
export interface Visible {
  what: string;
  /** The tiers in which it is seen. */
  tiers: Tier[];
  /** Gives a row when it is seen. */
  sql: Sql;
}

const BOTH: Tier[] = ["Schema", "Database"];
const SHARED: Tier[] = ["Schema"];

export const VISIBLE: readonly Visible[] = [
  { what: "names of roles", tiers: BOTH, sql: (v) => `SELECT FROM pg_roles WHERE rolname = '${v.owner}'` },
  {
    what: "settings of roles",
    tiers: BOTH,
    sql: (v) => `SELECT FROM pg_roles WHERE rolname = '${v.logins.a}' AND rolconfig::text LIKE '%search_path%'`,
  },
  {
    what: "that a login is connected, and with which program",
    tiers: BOTH,
    sql: (v) => `SELECT FROM pg_stat_activity WHERE usename = '${v.logins.a}' AND application_name = 'test'`,
  },
  {
    what: "names of schemas and tables",
    tiers: SHARED,
    sql: (v) => `SELECT FROM pg_class WHERE relname = 'orders' AND relnamespace = '${v.dataSchema}'::regnamespace`,
  },
  {
    what: "how many rows there are, about",
    tiers: SHARED,
    sql: (v) =>
      `SELECT FROM pg_class WHERE relname = 'orders' AND relnamespace = '${v.dataSchema}'::regnamespace AND reltuples = 50`,
  },
  {
    what: "how large a table is",
    tiers: SHARED,
    sql: (v) =>
      `SELECT FROM pg_class WHERE relname = 'orders' AND relnamespace = '${v.dataSchema}'::regnamespace AND pg_relation_size(oid) > 0`,
  },
  {
    what: "how often tables are read and written",
    tiers: SHARED,
    sql: (v) => `SELECT FROM pg_stat_all_tables WHERE schemaname = '${v.dataSchema}'`,
  },
  {
    what: "the text of functions, views, defaults and comments",
    tiers: SHARED,
    sql: (v) =>
      `SELECT FROM pg_proc WHERE proname = 'answer' AND pronamespace = '${v.dataSchema}'::regnamespace AND prosrc LIKE 'SELECT%'`,
  },
];
