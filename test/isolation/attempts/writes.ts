import type { Attempt } from "../attempt.ts";
import type { Sql, Where } from "../field.ts";
import { dataOpened, DENIED, opened, operatorsOpened, ownerOfVictims } from "./weaknesses.ts";

const write = (name: string, sql: Sql, weakness: Sql, where?: Where): Attempt => ({
  group: "writes",
  name,
  sql,
  refused: [DENIED],
  weakness,
  ...(where ? { where } : {}),
});

const ALL = "SELECT, INSERT, UPDATE, DELETE";

export const writes: Attempt[] = [
  write(
    "insert a session",
    (v) => `INSERT INTO ${v.schema}.sessions (id, agent, user_id) VALUES (gen_random_uuid(), 'x', 'x')`,
    opened("sessions", ALL),
  ),
  write("update sessions", (v) => `UPDATE ${v.schema}.sessions SET user_id = 'me'`, opened("sessions", ALL)),
  write("delete messages", (v) => `DELETE FROM ${v.schema}.messages`, opened("messages", ALL)),
  write(
    "merge into runs",
    (v) => `MERGE INTO ${v.schema}.runs r USING (SELECT 1) s ON true WHEN MATCHED THEN UPDATE SET response = 'mine'`,
    opened("runs", ALL),
  ),
  write("truncate messages", (v) => `TRUNCATE ${v.schema}.messages`, opened("messages", "TRUNCATE")),
  write(
    "append to the audit log",
    (v) => `INSERT INTO ${v.schema}.audit VALUES (999, now(), '\\x00', '\\x00', 'forged')`,
    opened("audit", ALL),
  ),
  write(
    "report as a pod of the victim",
    (v) => `INSERT INTO ${v.schema}.workers (id, agent, expires_at) VALUES (gen_random_uuid(), 'x', 'infinity')`,
    opened("workers", ALL),
  ),
  write("cancel its runs", (v) => `UPDATE ${v.schema}.runs SET cancel_requested = true`, opened("runs", ALL)),
  write("change its orders", (v) => `UPDATE ${v.dataSchema}.orders SET customer = 'x'`, dataOpened("orders", ALL)),
  write("change them through a view", (v) => `DELETE FROM ${v.dataSchema}.open_orders`, dataOpened("open_orders", ALL)),
  write("take a number", (v) => `SELECT nextval('${v.dataSchema}.numbers')`, dataOpened("numbers", "USAGE, UPDATE")),
  write(
    "set a sequence",
    (v) => `SELECT setval('${v.dataSchema}.numbers', 99)`,
    dataOpened("numbers", "USAGE, UPDATE"),
  ),
  write(
    "refresh a materialized view",
    (v) => `REFRESH MATERIALIZED VIEW ${v.dataSchema}.old_orders`,
    (v, me, field) => `${ownerOfVictims(v, me, field)}; ${dataOpened("old_orders", "MAINTAIN")(v, me, field)}`,
  ),
  write(
    "change who has which schema",
    () => "UPDATE agentpg_operator.tenant SET tenant_uid = tenant_uid || 'x'",
    operatorsOpened("tenant", ALL),
    "operator",
  ),
  write("forget a tenant", () => "DELETE FROM agentpg_operator.tenant", operatorsOpened("tenant", ALL), "operator"),
  write(
    "take the leadership",
    () => "UPDATE agentpg_operator.leader SET epoch = epoch + 1",
    operatorsOpened("leader", ALL),
    "operator",
  ),
  write(
    "stop all writers by their lock",
    () => "SELECT * FROM agentpg_operator.database_rights FOR UPDATE",
    operatorsOpened("database_rights", ALL),
    "operator",
  ),
];
