import type { Attempt } from "../attempt.ts";
import type { Sql } from "../field.ts";
import { aSuperuser, DENIED } from "./weaknesses.ts";

const tamper = (name: string, sql: Sql, weakness: Sql): Attempt => ({
  group: "audit",
  name,
  sql,
  refused: [DENIED],
  weakness,
  where: "own",
});

const A_LINE = "INSERT INTO";
const withLine =
  (rights: string): Sql =>
  (_v, me) =>
    `${A_LINE} ${me.schema}.audit VALUES (1, now(), '\\x00', '\\x00', 'line') ON CONFLICT DO NOTHING; GRANT ${rights} ON ${me.schema}.audit TO ${me.login}`;

const ID = "01890000-0000-7000-8000-000000000001";
/** Puts an original of a session that is there into the archive, and gives what the function leaves of it. */
const forgetLive: Sql = (_v, me) => `
  INSERT INTO ${me.schema}.sessions (id, agent, user_id) VALUES ('${ID}', 'a', 'u');
  INSERT INTO ${me.schema}.message_archive (session_id, seq, run_id, role, content, created_at)
    VALUES ('${ID}', 1, '${ID}', 'user', '[]', now());
  SELECT ${me.schema}.forget_archive(ARRAY['${ID}']::uuid[]);
  SELECT FROM ${me.schema}.message_archive WHERE session_id = '${ID}'`;

/** What the tenant's own login may not do with what is kept about it. */
export const audit: Attempt[] = [
  tamper(
    "change a line of its audit log",
    (_v, me) => `UPDATE ${me.schema}.audit SET record = 'x'`,
    withLine("UPDATE"),
  ),
  tamper(
    "change a line by an upsert",
    (_v, me) =>
      `INSERT INTO ${me.schema}.audit VALUES (1, now(), '\\x00', '\\x00', 'x') ON CONFLICT (seq) DO UPDATE SET record = 'x'`,
    withLine("UPDATE"),
  ),
  tamper("delete a line", (_v, me) => `DELETE FROM ${me.schema}.audit`, withLine("DELETE")),
  tamper("truncate it", (_v, me) => `TRUNCATE ${me.schema}.audit`, withLine("TRUNCATE")),
  tamper("drop it", (_v, me) => `DROP TABLE ${me.schema}.audit`, aSuperuser),
  tamper(
    "delete the end of the chain",
    (_v, me) => `DELETE FROM ${me.schema}.audit_head`,
    (_v, me) => `GRANT DELETE ON ${me.schema}.audit_head TO ${me.login}`,
  ),
  tamper(
    "make a second end",
    (_v, me) =>
      `INSERT INTO ${me.schema}.audit_head (singleton, seq, hash) VALUES (true, 1, '\\x00') ON CONFLICT DO NOTHING; SELECT 1`,
    (_v, me) => `GRANT INSERT ON ${me.schema}.audit_head TO ${me.login}`,
  ),
  tamper(
    "move its beginning",
    (_v, me) => `UPDATE ${me.schema}.lifecycle SET audit_start_seq = 9`,
    (_v, me) => `GRANT UPDATE ON ${me.schema}.lifecycle TO ${me.login}`,
  ),
  tamper(
    "change an archived message",
    (_v, me) => `UPDATE ${me.schema}.message_archive SET role = 'user'; SELECT 1`,
    (_v, me) => `GRANT UPDATE ON ${me.schema}.message_archive TO ${me.login}`,
  ),
  tamper(
    "delete archived messages",
    (_v, me) => `DELETE FROM ${me.schema}.message_archive; SELECT 1`,
    (_v, me) => `GRANT DELETE ON ${me.schema}.message_archive TO ${me.login}`,
  ),
  {
    group: "audit",
    name: "delete archived messages of a session that is there, with the function for those that are gone",
    where: "own",
    sql: forgetLive,
    harm: (_field, { count, message }) => (count === 1 ? undefined : (message ?? "they are gone")),
    weakness: (_v, me) => `CREATE OR REPLACE FUNCTION ${me.schema}.forget_archive(ids uuid[]) RETURNS void LANGUAGE sql
      SECURITY DEFINER AS 'DELETE FROM ${me.schema}.message_archive'`,
  },
  tamper(
    "say that its schema is of another version",
    (_v, me) => `UPDATE ${me.schema}.schema_version SET version = version + 100`,
    (_v, me) => `GRANT UPDATE ON ${me.schema}.schema_version TO ${me.login}`,
  ),
  tamper(
    "say that a migration was applied",
    (_v, me) => `INSERT INTO ${me.schema}.schema_version VALUES (999, 'x', 'x')`,
    (_v, me) => `GRANT INSERT ON ${me.schema}.schema_version TO ${me.login}`,
  ),
  tamper(
    "forget a migration",
    (_v, me) => `DELETE FROM ${me.schema}.schema_version`,
    (_v, me) => `GRANT DELETE ON ${me.schema}.schema_version TO ${me.login}`,
  ),
];
