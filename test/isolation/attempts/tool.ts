import { AgentDatabase } from "../../../src/database/runs/database.ts";
import { runToolQuery } from "../../../src/database/runs/run-tool-query.ts";
import { withClient } from "../../database/fixture.ts";
import type { Attempt } from "../attempt.ts";
import { asAttacker, type Field, type Sql, sqlOf } from "../field.ts";
import { DENIED } from "./weaknesses.ts";

const SYNTAX = "42601";

/** A statement as the runtime runs it for a tool; unconfined: as it comes, on a connection that only took the tool role. */
async function runTool(field: Field, statement: string): Promise<unknown> {
  const { schema, tool } = field.b.names;
  if (field.unconfined)
    return withClient(asAttacker(field, "own"), async (client) => {
      await client.query(`SET ROLE ${tool}`);
      // The bracket that a statement closes has to be there.
      return client.query(statement.includes(") x;") ? `SELECT * FROM (${statement}) x` : statement);
    });
  const limits = { min: 0, max: 1, idleMs: 1_000, lifetimeSeconds: 60 };
  const db = new AgentDatabase(schema, asAttacker(field, "own"), "test", limits, () => {});
  try {
    return (await runToolQuery(db, statement, [], { maxRows: 10, timeoutMs: 500 })).rows;
  } finally {
    await db.close();
  }
}

const escape = (
  name: string,
  statement: Sql,
  refused: string[],
  weakness: Attempt["weakness"] = "unconfined",
): Attempt => ({
  group: "tool role",
  name,
  where: "own",
  act: (field) => runTool(field, sqlOf(field, statement)),
  refused,
  weakness,
  spoils: weakness !== "unconfined",
});

const toolMay =
  (rights: string): Sql =>
  (_v, me) =>
    `GRANT USAGE ON SCHEMA ${me.schema} TO ${me.tool}; GRANT ${rights} ON ALL TABLES IN SCHEMA ${me.schema} TO ${me.tool}`;

const asXml = (schema: string) => `query_to_xml('SELECT * FROM ${schema}.sessions', true, true, '')::text`;

/** What a statement of an `sql` tool tries, with the attacker's own tenant around it. */
export const tool: Attempt[] = [
  escape(
    "read the tenant's conversations",
    (_v, me) => `SELECT * FROM ${me.schema}.sessions`,
    [DENIED],
    toolMay("SELECT"),
  ),
  escape(
    "reset the role before a second statement",
    (_v, me) => `SELECT 1; RESET ROLE; SELECT * FROM ${me.schema}.sessions`,
    [SYNTAX],
  ),
  escape(
    "close the bracket around it",
    (_v, me) => `SELECT 1) x; RESET ROLE; SELECT * FROM (SELECT * FROM ${me.schema}.sessions`,
    [SYNTAX],
  ),
  escape("commit", () => "COMMIT", [SYNTAX]),
  escape("set the role as its statement", () => "SET ROLE NONE", [SYNTAX]),
  escape(
    "set the role by a function, and run a text as SQL",
    (_v, me) => `SELECT pg_catalog.set_config('role', 'none', true), ${asXml(me.schema)}`,
    [DENIED],
  ),
  escape("do so with quoted names", (_v, me) => `SELECT "set_config"('role', 'none', true), ${asXml(me.schema)}`, [
    DENIED,
  ]),
  escape(
    "do so with escaped names",
    (_v, me) => `SELECT U&"\\0073et_config"('role', 'none', true), ${asXml(me.schema)}`,
    [DENIED],
  ),
  escape(
    "count words of conversations",
    (_v, me) =>
      `SELECT set_config('role', 'none', true), (SELECT count(*) FROM ts_stat('SELECT to_tsvector(user_id) FROM ${me.schema}.sessions'))`,
    [DENIED],
  ),
  escape(
    "hide the call in the text",
    (_v, me) =>
      `SELECT query_to_xml('SELECT set_con' || 'fig(''role'', ''none'', true)', true, true, '')::text, ${asXml(me.schema)}`,
    [DENIED],
  ),
  escape("change its time limit", () => "SELECT set_config('statement_timeout', '0', false)", [DENIED]),
  escape("run for ever", () => "SELECT pg_sleep(1)", ["57014"]),
  {
    ...escape(
      "write with a WITH",
      (_v, me) => `WITH gone AS (DELETE FROM ${me.dataSchema}.notes RETURNING *) SELECT * FROM gone`,
      ["0A000"],
    ),
    given: (_v, me) =>
      `CREATE TABLE ${me.dataSchema}.notes (id int); GRANT ALL ON ${me.dataSchema}.notes TO ${me.tool}`,
    spoils: true,
  },
];
