import type { Attempt, Outcome } from "../attempt.ts";
import type { Field, Sql } from "../field.ts";
import { DENIED, granted, opened } from "./weaknesses.ts";

const ALL = "SELECT, INSERT, UPDATE, DELETE, REFERENCES";

/** The rights on the table are there already: only row-level security stands. */
const behind = (name: string, table: string, sql: Sql, more: Partial<Attempt> = {}): Attempt => ({
  group: "row security",
  name,
  sql,
  given: granted(table, ALL),
  harm: (field, outcome) => shown(field, outcome),
  weakness: opened(table, ALL),
  ...more,
});

/** Rows that were seen or changed, or an error that tells what is in them. */
function shown({ secrets }: Field, { count, message, rows }: Outcome): string | undefined {
  const told = secrets.some((it) => message?.includes(it) || JSON.stringify(rows).includes(it));
  if (told) return "a value came out";
  return count ? `${count} rows` : undefined;
}

export const rowSecurity: Attempt[] = [
  behind("see rows", "sessions", (v) => `SELECT * FROM ${v.schema}.sessions`),
  behind("count rows", "sessions", (v) => `SELECT FROM ${v.schema}.sessions`),
  behind("change rows", "sessions", (v) => `UPDATE ${v.schema}.sessions SET user_id = 'mine'`),
  behind("delete rows", "messages", (v) => `DELETE FROM ${v.schema}.messages`),
  behind(
    "insert a row",
    "sessions",
    (v) => `INSERT INTO ${v.schema}.sessions (id, agent, user_id) VALUES (gen_random_uuid(), 'x', 'x')`,
    {
      refused: [DENIED],
    },
  ),
  behind("turn it off", "sessions", (v) => `SET LOCAL row_security = off; SELECT * FROM ${v.schema}.sessions`, {
    refused: [DENIED],
  }),
  behind(
    "say in a setting that it is the victim",
    "sessions",
    (v) =>
      `SET LOCAL agentpg.tenant = '${v.schema}'; SET LOCAL my.role = '${v.readWrite}'; SELECT * FROM ${v.schema}.sessions`,
  ),
  behind(
    "make an error tell a value",
    "sessions",
    (v) => `SELECT FROM ${v.schema}.sessions WHERE user_id::integer = 1`,
  ),
  behind(
    "make a division tell whether a row exists",
    "sessions",
    (v) => `SELECT FROM ${v.schema}.sessions WHERE 1 / (length(user_id) - length(user_id) + 1) = 1`,
  ),
  behind(
    "see them as its tool role",
    "sessions",
    (v, me) => `SET LOCAL ROLE ${me.tool}; SELECT * FROM ${v.schema}.sessions`,
    {
      given: (...n) =>
        [
          granted("sessions", ALL)(...n),
          `GRANT USAGE ON SCHEMA ${n[0].schema} TO ${n[1].tool}; GRANT SELECT ON ${n[0].schema}.sessions TO ${n[1].tool}`,
        ].join(";"),
    },
  ),
  behind(
    "see them without firing triggers",
    "sessions",
    (v) => `SET LOCAL session_replication_role = replica; SELECT * FROM ${v.schema}.sessions`,
    {
      refused: [DENIED],
      weakness: (...n) =>
        `${opened("sessions", ALL)(...n)}; GRANT SET ON PARAMETER session_replication_role TO ${n[1].login}`,
    },
  ),
  behind("copy rows out", "sessions", (v) => `COPY ${v.schema}.sessions TO STDOUT`),
  behind(
    "change the policy",
    "sessions",
    (v) => `ALTER POLICY tenant_members ON ${v.schema}.sessions USING (true); SELECT 1`,
    {
      refused: [DENIED],
      weakness: (v, me) => `GRANT ${v.owner} TO ${me.login}`,
    },
  ),
  behind("disable it", "sessions", (v) => `ALTER TABLE ${v.schema}.sessions DISABLE ROW LEVEL SECURITY; SELECT 1`, {
    refused: [DENIED],
    weakness: (v, me) => `GRANT ${v.owner} TO ${me.login}`,
  }),
];
