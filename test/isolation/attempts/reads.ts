import type { Attempt } from "../attempt.ts";
import { LARGE_OBJECT, type Sql } from "../field.ts";
import { dataOpened, DENIED, memberOf, opened, operatorsOpened, UNDEFINED_TABLE } from "./weaknesses.ts";

const read = (name: string, sql: Sql, weakness: Sql, more: Partial<Attempt> = {}): Attempt => ({
  group: "reads",
  name: `read ${name}`,
  sql,
  refused: [DENIED],
  weakness,
  ...more,
});

export const reads: Attempt[] = [
  read("sessions", (v) => `SELECT * FROM ${v.schema}.sessions`, opened("sessions", "SELECT")),
  read("messages", (v) => `SELECT content FROM ${v.schema}.messages`, opened("messages", "SELECT")),
  read("the audit log", (v) => `SELECT record FROM ${v.schema}.audit`, opened("audit", "SELECT")),
  read("the migrations", (v) => `SELECT * FROM ${v.schema}.schema_version`, opened("schema_version", "SELECT")),
  read("a single column", (v) => `SELECT user_id FROM ${v.schema}.sessions`, opened("sessions", "SELECT (user_id)")),
  read("how many rows there are", (v) => `SELECT count(*) FROM ${v.schema}.runs`, opened("runs", "SELECT")),
  read(
    "with the rights of the victim's group",
    (v) => `SELECT * FROM ${v.schema}.runs`,
    memberOf((v) => v.readWrite),
  ),
  read(
    "by a join with its own",
    (v, me) => `SELECT a.user_id FROM ${me.schema}.schema_version JOIN ${v.schema}.sessions a ON true`,
    (v, me, field) =>
      `${opened("sessions", "SELECT")(v, me, field)};
       CREATE SCHEMA IF NOT EXISTS ${me.schema}; CREATE TABLE IF NOT EXISTS ${me.schema}.schema_version AS SELECT 1;
       GRANT USAGE ON SCHEMA ${me.schema} TO ${me.login}; GRANT SELECT ON ${me.schema}.schema_version TO ${me.login}`,
  ),
  read(
    "into its own table",
    (v, me) =>
      `INSERT INTO ${me.schema}.sessions (id, agent, user_id) SELECT gen_random_uuid(), agent, user_id FROM ${v.schema}.sessions`,
    (v, me, field) =>
      `${opened("sessions", "SELECT")(v, me, field)};
       CREATE SCHEMA IF NOT EXISTS ${me.schema}; CREATE TABLE IF NOT EXISTS ${me.schema}.sessions (id uuid, agent text, user_id text);
       GRANT USAGE ON SCHEMA ${me.schema} TO ${me.login}; GRANT INSERT ON ${me.schema}.sessions TO ${me.login}`,
  ),
  read("by locking rows", (v) => `SELECT * FROM ${v.schema}.runs FOR UPDATE`, opened("runs", "SELECT, UPDATE")),
  read("the plan of a query", (v) => `EXPLAIN ANALYZE SELECT * FROM ${v.schema}.runs`, opened("runs", "SELECT")),
  read(
    "by a prepared statement",
    (v) => `PREPARE p AS SELECT * FROM ${v.schema}.sessions; EXECUTE p; DEALLOCATE p; SELECT 1`,
    opened("sessions", "SELECT"),
  ),
  read(
    "by a cursor",
    (v) => `DECLARE c CURSOR FOR SELECT * FROM ${v.schema}.sessions; FETCH 3 FROM c`,
    opened("sessions", "SELECT"),
  ),
  read("the tables of its tools", (v) => `SELECT * FROM ${v.dataSchema}.orders`, dataOpened("orders", "SELECT")),
  read("a view", (v) => `SELECT * FROM ${v.dataSchema}.open_orders`, dataOpened("open_orders", "SELECT")),
  read("a materialized view", (v) => `SELECT * FROM ${v.dataSchema}.old_orders`, dataOpened("old_orders", "SELECT")),
  read("a sequence", (v) => `SELECT last_value FROM ${v.dataSchema}.numbers`, dataOpened("numbers", "SELECT")),
  read(
    "by calling its function",
    (v) => `SELECT ${v.dataSchema}.answer()`,
    (v, me) =>
      `GRANT USAGE ON SCHEMA ${v.dataSchema} TO ${me.login}; GRANT EXECUTE ON FUNCTION ${v.dataSchema}.answer() TO ${me.login}`,
  ),
  read(
    "a large object",
    () => `SELECT lo_get(${LARGE_OBJECT})`,
    (_v, me) => `GRANT SELECT ON LARGE OBJECT ${LARGE_OBJECT} TO ${me.login}`,
  ),
  read(
    "by whole tables as XML",
    (v) => `SELECT table_to_xml('${v.schema}.sessions', true, false, '')`,
    opened("sessions", "SELECT"),
    { refused: [DENIED, UNDEFINED_TABLE] },
  ),
  read("the registry of tenants", () => "SELECT * FROM agentpg_operator.tenant", operatorsOpened("tenant", "SELECT"), {
    where: "operator",
  }),
  read("who leads", () => "SELECT * FROM agentpg_operator.leader", operatorsOpened("leader", "SELECT"), {
    where: "operator",
  }),
];
