import { Client } from "pg";
import { clientOptions } from "../../../src/database/connection.ts";
import { held, run } from "../../database/fixture.ts";
import type { Attempt } from "../attempt.ts";
import { asAttacker, type Field, type Sql } from "../field.ts";
import {
  all,
  aSuperuser,
  DENIED,
  mayCreateInDatabase,
  mayExecute,
  maySet,
  memberOf,
  withAttribute,
} from "./weaknesses.ts";

const disturb = (name: string, sql: Sql, weakness: Sql, more: Partial<Attempt> = {}): Attempt => ({
  group: "server",
  name,
  sql,
  refused: [DENIED],
  weakness,
  where: "own",
  ...more,
});

/** Ends or cancels what another login does; the one that it hits is there for that. */
const signal = (name: string, call: string, whose: (field: Field) => Field["a"]["connection"]): Attempt => ({
  group: "server",
  name,
  where: "own",
  act: async (field) => {
    const target = await held(whose(field));
    try {
      const { rows } = await target.client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
      return await run(asAttacker(field, "own"), `SELECT ${call}($1)`, [rows[0]?.pid]);
    } finally {
      await target.close().catch(() => {});
    }
  },
  refused: [DENIED],
  weakness: memberOf(() => "pg_signal_backend"),
});

/** Logs in elsewhere: another database, another role, without TLS, as a replica. */
const elsewhere = (
  name: string,
  change: (field: Field) => object,
  refused: string[],
  weakness: Sql,
  after?: Sql,
): Attempt => ({
  group: "server",
  name,
  where: "own",
  act: async (field) => {
    const client = new Client({ ...clientOptions(asAttacker(field, "own"), "test"), ...change(field) });
    client.on("error", () => {});
    await client.connect();
    await client.end();
  },
  refused,
  weakness,
  ...(after ? { after } : {}),
});

const admitted =
  (database: Sql): Sql =>
  (...names) =>
    `GRANT CONNECT ON DATABASE ${database(...names)} TO ${names[1].login}`;

export const server: Attempt[] = [
  signal("end the victim's connection", "pg_terminate_backend", (field) => field.a.connection),
  signal("cancel the victim's query", "pg_cancel_backend", (field) => field.a.connection),
  signal("end the operator's connection", "pg_terminate_backend", (field) => field.leader.admin),
  disturb("reload the configuration", () => "SELECT pg_reload_conf()", mayExecute("pg_reload_conf()")),
  disturb("rotate the log", () => "SELECT pg_rotate_logfile()", mayExecute("pg_rotate_logfile()")),
  disturb("switch the write-ahead log", () => "SELECT pg_switch_wal()", mayExecute("pg_switch_wal()")),
  disturb(
    "start a backup",
    () => "SELECT pg_backup_start('mine', true)",
    all(withAttribute("REPLICATION"), mayExecute("pg_backup_start(text, boolean)")),
  ),
  disturb(
    "name a restore point",
    () => "SELECT pg_create_restore_point('mine')",
    mayExecute("pg_create_restore_point(text)"),
  ),
  disturb(
    "force a checkpoint",
    () => "CHECKPOINT",
    memberOf(() => "pg_checkpoint"),
    { alone: true },
  ),
  disturb("reset the statistics", () => "SELECT pg_stat_reset()", mayExecute("pg_stat_reset()")),
  disturb(
    "write another backend's memory to the log",
    () => "SELECT pg_log_backend_memory_contexts(pg_backend_pid())",
    mayExecute("pg_log_backend_memory_contexts(integer)"),
  ),
  disturb(
    "change the server's settings",
    () => "ALTER SYSTEM SET work_mem = '1GB'",
    (_v, me) => `GRANT ALTER SYSTEM ON PARAMETER work_mem TO ${me.login}`,
    {
      alone: true,
      after: (_v, me) => `REVOKE ALTER SYSTEM ON PARAMETER work_mem FROM ${me.login}`,
    },
  ),
  disturb("hide its statements from the log", () => "SET LOCAL log_min_messages = panic", maySet("log_min_messages")),
  disturb("not be counted in the statistics", () => "SET LOCAL track_activities = off", maySet("track_activities")),
  disturb(
    "turn triggers and foreign keys off",
    () => "SET LOCAL session_replication_role = replica",
    maySet("session_replication_role"),
  ),
  disturb(
    "read pages of broken tables as empty",
    () => "SET LOCAL zero_damaged_pages = on",
    maySet("zero_damaged_pages"),
  ),
  disturb(
    "create an event trigger",
    (_v, me) => `CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION ${me.schema}.mine()`,
    (_v, me) =>
      `CREATE FUNCTION ${me.schema}.mine() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$; ALTER ROLE ${me.login} SUPERUSER`,
  ),
  disturb("publish its tables", () => "CREATE PUBLICATION mine", mayCreateInDatabase),
  disturb("publish all tables", () => "CREATE PUBLICATION mine FOR ALL TABLES", aSuperuser),
  disturb(
    "subscribe to another server",
    () => "CREATE SUBSCRIPTION mine CONNECTION 'host=127.0.0.1 password=x' PUBLICATION p WITH (connect = false)",
    all(
      memberOf(() => "pg_create_subscription"),
      mayCreateInDatabase,
    ),
  ),
  disturb(
    "read the connections of subscriptions",
    () => "SELECT count(subconninfo) FROM pg_subscription",
    (_v, me) => `GRANT SELECT ON pg_subscription TO ${me.login}`,
  ),
  disturb(
    "create a replication slot",
    (_v, me) => `SELECT pg_create_physical_replication_slot('${me.schema}')`,
    withAttribute("REPLICATION"),
    {
      after: (_v, me) =>
        `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${me.schema}'`,
    },
  ),
  disturb(
    "create a replication origin",
    () => "SELECT pg_replication_origin_create('mine')",
    mayExecute("pg_replication_origin_create(text)"),
  ),
  elsewhere("connect as a replica", () => ({ replication: "database" }), [DENIED], withAttribute("REPLICATION")),
  elsewhere(
    "connect to the database postgres of a hardened server",
    () => ({ database: "postgres" }),
    [DENIED],
    admitted(() => "postgres"),
  ),
  elsewhere(
    "connect to the database template1 of a hardened server",
    () => ({ database: "template1" }),
    [DENIED],
    admitted(() => "template1"),
  ),
  elsewhere(
    "log in as the victim",
    (field) => ({ user: field.a.connection.user, database: field.a.connection.database }),
    ["28P01"],
    (v, _me, f) => `ALTER ROLE ${v.logins.a} PASSWORD '${f.b.connection.password}'`,
    (v, _me, f) => `ALTER ROLE ${v.logins.a} PASSWORD '${f.a.connection.password}'`,
  ),
  elsewhere(
    "log in as the operator",
    (field) => ({ user: field.leader.admin.user, database: field.leader.admin.database }),
    ["28P01"],
    (_v, _me, f) => `ALTER ROLE ${f.leader.admin.user} PASSWORD '${f.b.connection.password}'`,
    (_v, _me, f) => `ALTER ROLE ${f.leader.admin.user} PASSWORD '${f.leader.admin.password}'`,
  ),
  elsewhere(
    "log in with its other login",
    (field) => ({ user: field.b.names.logins.b }),
    ["28P01"],
    (_v, me, f) => `ALTER ROLE ${me.logins.b} LOGIN PASSWORD '${f.b.connection.password}'`,
    (_v, me) => `ALTER ROLE ${me.logins.b} NOLOGIN PASSWORD NULL`,
  ),
  elsewhere(
    "log in with its group",
    (field) => ({ user: field.b.names.readWrite }),
    ["28P01"],
    (_v, me, f) =>
      `ALTER ROLE ${me.readWrite} LOGIN PASSWORD '${f.b.connection.password}'; GRANT CONNECT ON DATABASE ${f.b.connection.database} TO ${me.readWrite}`,
  ),
];
