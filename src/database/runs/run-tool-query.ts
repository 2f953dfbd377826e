import { types } from "pg";
import { SQLSTATE } from "../sqlstate.ts";
import { namesOf, type AgentDatabase } from "./database.ts";

export interface ToolQueryResult {
  rows: Record<string, unknown>[];
  /** More rows than `maxRows` would have come. */
  cut: boolean;
}

/** date, timestamp, timestamptz: a model reads them as Postgres writes them, without a time zone made up for a date. */
const TEMPORAL = new Set([1082, 1114, 1184]);
const asText = (value: string) => value;
const typesForModels = {
  getTypeParser: ((oid: number, format?: "text") =>
    TEMPORAL.has(oid) ? asText : types.getTypeParser(oid, format)) as typeof types.getTypeParser,
};

/**
 * Functions that change settings (the role is one), or run a text as SQL in which such a call can be hidden: with the two
 * together a statement leaves the tool role while it runs. U&"…" writes a name in a way that no search finds.
 */
const LEAVES_THE_ROLE =
  /\b(set_config|query_to_xml\w*|ts_stat|ts_rewrite|crosstab\w*|connectby|xpath_table|dblink\w*)\b|u&"/i;

/** @throws Error with SQLSTATE 42501 */
function refuseToLeaveRole(statement: string): void {
  const found = LEAVES_THE_ROLE.exec(statement)?.[0];
  if (!found) return;
  const message = `a tool's statement must not contain ${found}: it could leave the tool role; take it out of the statement`;
  throw Object.assign(new Error(message), { code: SQLSTATE.insufficientPrivilege });
}

/** Begins what the tool role may do: read, in the tenant's data schema. Ended by ROLLBACK, so that no role or setting stays behind. */
function prologueOf({ schema }: AgentDatabase, timeoutMs: number): string {
  const { tool, dataSchema } = namesOf(schema);
  return `BEGIN READ ONLY; SELECT set_config('search_path', '${dataSchema}, pg_temp', true), set_config('statement_timeout', '${Math.ceil(timeoutMs)}', true), set_config('client_connection_check_interval', '1000', true), set_config('role', '${tool}', true)`;
}

const CHECK_MS = 5000;

/**
 * Has the server read a tool's statement, without running it.
 * @throws Error with the SQLSTATE of what is wrong with it
 */
export async function checkToolQuery(db: AgentDatabase, statement: string): Promise<void> {
  refuseToLeaveRole(statement);
  // Extended: one statement, and no other behind it.
  const prepare = { text: `PREPARE agentpg_check AS ${onlyFirst(statement, 1)}`, values: [], queryMode: "extended" };
  const failure = await db.withConnection(async (client) => {
    await client.query(prologueOf(db, CHECK_MS));
    const found = await client.query(prepare).then(
      () => client.query("DEALLOCATE agentpg_check").then(() => undefined),
      (error: unknown) => ({ error }),
    );
    await client.query("ROLLBACK");
    return found;
  });
  if (failure) throw failure.error;
}

/** How long after the server should have ended a statement its connection is taken for dead, in milliseconds. */
const BEYOND_MS = 5000;

/**
 * Runs a tool's statement as the tenant's tool role: read-only, in the tenant's data schema, one statement (extended protocol),
 * always rolled back, so that no role or setting stays behind on the connection.
 * @param timeoutMs the server ends the statement after that
 * @throws the signal's reason, at once; the server notices within a second that the connection is closed, and ends the statement
 */
export async function runToolQuery(
  db: AgentDatabase,
  statement: string,
  values: unknown[],
  limits: { maxRows: number; timeoutMs: number },
  signal?: AbortSignal,
): Promise<ToolQueryResult> {
  refuseToLeaveRole(statement);
  const query = {
    text: onlyFirst(statement, limits.maxRows + 1),
    values,
    types: typesForModels,
    queryMode: "extended",
  }; // one statement, also without values
  const outcome = await db.withConnection(async (client) => {
    await client.query(prologueOf(db, limits.timeoutMs));
    signal?.throwIfAborted();
    const answer = client.query(query).then(
      (it) => ({ rows: it.rows as Record<string, unknown>[] }),
      (failure: unknown) => ({ failure }),
    );
    const result = await (signal ? unlessAborted(answer, signal) : answer);
    await client.query("ROLLBACK");
    return result;
  }, limits.timeoutMs + BEYOND_MS);
  if ("failure" in outcome) throw outcome.failure;
  return { rows: outcome.rows.slice(0, limits.maxRows), cut: outcome.rows.length > limits.maxRows };
}

/** @throws the signal's reason */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  return Promise.race([work, stopped]).finally(() => signal.removeEventListener("abort", stop));
}

/** As a subquery the statement can only read: Postgres takes no SET, COMMIT or data-modifying WITH there. */
const onlyFirst = (statement: string, rows: number): string =>
  `SELECT * FROM (${statement.replace(/;\s*$/, "")}\n) tool_rows LIMIT ${rows}`;
