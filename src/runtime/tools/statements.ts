import type { ToolSpec } from "../../api/agent.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { checkToolQuery } from "../../database/runs/run-tool-query.ts";
import { SQLSTATE } from "../../database/sqlstate.ts";
import type { Logger } from "../../telemetry/log.ts";

/** What no table or column that is made later would mend. */
const INVALID: ReadonlySet<string> = new Set([SQLSTATE.syntaxError, SQLSTATE.insufficientPrivilege]);

/**
 * What is wrong with the statement of an sql tool, as the server reads it; null when nothing is. A table that is missing is only logged:
 * it may be made while the agent runs.
 */
export async function statementProblem(
  tools: readonly ToolSpec[],
  db: AgentDatabase,
  log: Logger,
): Promise<{ reason: string; message: string } | null> {
  for (const { name, sql } of tools) {
    if (!sql) continue;
    try {
      await checkToolQuery(db, sql.statement);
    } catch (error) {
      const { code = "", message } = error as { code?: string; message: string };
      if (INVALID.has(code) && !message.startsWith("permission denied"))
        return {
          reason: "ToolInvalid",
          message: `spec.tools: ${name}.sql.statement: ${message} (a tool runs one query that reads, such as SELECT)`,
        };
      log.warn({ tool: name, err: error as Error }, "the statement of a tool would fail now");
    }
  }
  return null;
}
