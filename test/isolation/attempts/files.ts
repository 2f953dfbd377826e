import type { Attempt } from "../attempt.ts";
import { LARGE_OBJECT, type Sql } from "../field.ts";
import { all, aSuperuser, DENIED, mayExecute, memberOf, opened } from "./weaknesses.ts";

const file = (name: string, sql: Sql, weakness: Sql, more: Partial<Attempt> = {}): Attempt => ({
  group: "files and large objects",
  name,
  sql,
  refused: [DENIED],
  weakness,
  where: "own",
  ...more,
});

/** COPY FROM writes no table that has it. */
const withoutRowSecurity: Sql = (_v, me) => `ALTER TABLE ${me.schema}.sessions DISABLE ROW LEVEL SECURITY`;
const mayRead = memberOf(() => "pg_read_server_files");

export const files: Attempt[] = [
  file("copy the victim's table out", (v) => `COPY ${v.schema}.sessions TO STDOUT`, opened("sessions", "SELECT"), {
    where: "victim",
  }),
  file(
    "copy a query on it out",
    (v) => `COPY (SELECT * FROM ${v.schema}.sessions) TO STDOUT`,
    opened("sessions", "SELECT"),
    { where: "victim" },
  ),
  file(
    "run a program",
    (_v, me) => `COPY ${me.schema}.sessions FROM PROGRAM 'true'; SELECT 1`,
    all(
      memberOf(() => "pg_execute_server_program"),
      withoutRowSecurity,
    ),
    { spoils: true },
  ),
  file(
    "pipe to a program",
    () => "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null'",
    memberOf(() => "pg_execute_server_program"),
  ),
  file(
    "write a file of the server",
    () => "COPY (SELECT 1) TO '/dev/null'",
    memberOf(() => "pg_write_server_files"),
  ),
  file(
    "read a file of the server",
    (_v, me) => `COPY ${me.schema}.sessions (user_id) FROM '/dev/null'; SELECT 1`,
    all(mayRead, withoutRowSecurity),
    { spoils: true },
  ),
  file("pg_read_file", () => "SELECT pg_read_file('PG_VERSION')", all(mayRead, mayExecute("pg_read_file(text)"))),
  file(
    "pg_read_binary_file",
    () => "SELECT pg_read_binary_file('PG_VERSION')",
    all(mayRead, mayExecute("pg_read_binary_file(text)")),
  ),
  file("pg_ls_dir", () => "SELECT pg_ls_dir('.')", all(mayRead, mayExecute("pg_ls_dir(text)"))),
  file("pg_stat_file", () => "SELECT pg_stat_file('PG_VERSION')", all(mayRead, mayExecute("pg_stat_file(text)"))),
  file(
    "list the write-ahead log",
    () => "SELECT * FROM pg_ls_waldir()",
    memberOf(() => "pg_monitor"),
  ),
  file(
    "list temporary files",
    () => "SELECT count(*) FROM pg_ls_tmpdir()",
    memberOf(() => "pg_monitor"),
  ),
  file(
    "read the server's log",
    () => "SELECT pg_current_logfile()",
    memberOf(() => "pg_monitor"),
  ),
  file(
    "import a file as a large object",
    () => "SELECT lo_import('/dev/null')",
    all(aSuperuser, mayExecute("lo_import(text)")),
  ),
  file("export a large object to a file", () => `SELECT lo_export(${LARGE_OBJECT}, '/dev/null')`, aSuperuser, {
    where: "victim",
  }),
  file(
    "write a large object of the victim",
    () => `SELECT lo_put(${LARGE_OBJECT}, 0, 'x')`,
    (_v, me) => `GRANT SELECT, UPDATE ON LARGE OBJECT ${LARGE_OBJECT} TO ${me.login}`,
    { where: "victim" },
  ),
  file("delete a large object of the victim", () => `SELECT lo_unlink(${LARGE_OBJECT})`, aSuperuser, {
    where: "victim",
  }),
  file("take a large object over", (_v, me) => `ALTER LARGE OBJECT ${LARGE_OBJECT} OWNER TO ${me.login}`, aSuperuser, {
    where: "victim",
  }),
  file(
    "read all large objects",
    () => "SELECT * FROM pg_largeobject",
    (_v, me) => `GRANT SELECT ON pg_largeobject TO ${me.login}`,
    { where: "victim" },
  ),
  file(
    "make a large object of its own, on a hardened server",
    () => "SELECT lo_from_bytea(0, 'x')",
    mayExecute("lo_from_bytea(oid, bytea)"),
  ),
];
