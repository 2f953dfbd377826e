import type { ToolSpec } from "../../api/agent.ts";
import { DatabaseOutage } from "../../database/errors.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { runToolQuery } from "../../database/runs/run-tool-query.ts";
import { type LocalTool, MAX_OUTPUT_BYTES, type ToolCall, ToolError, type ToolOutcome } from "./tool.ts";

const MAX_ROWS = 200;

type Schema = { properties?: Record<string, unknown>; required?: string[] };

/** Which property is $1, $2, …: as told, else the required ones in their order and then the others by name. */
export function argumentOrder(sql: NonNullable<ToolSpec["sql"]>): string[] {
  if (sql.arguments) return sql.arguments;
  const { properties = {}, required = [] } = sql.parameters as Schema;
  const others = Object.keys(properties).filter((it) => !required.includes(it));
  return [...required, ...others.sort()];
}

const VARIABLE = "variables.";

/** The value of an argument: a property of the input, or, as `variables.NAME`, what the caller gave with the question. @throws ToolError */
function valueOf(argument: string, { input, variables }: Pick<ToolCall, "input" | "variables">): unknown {
  if (!argument.startsWith(VARIABLE)) return input[argument];
  const name = argument.slice(VARIABLE.length);
  const value = variables && Object.hasOwn(variables, name) ? variables[name] : undefined;
  if (value === undefined)
    throw new ToolError(`the caller of this run gave no variable ${name}, which this tool needs`);
  return value;
}

const toParameter = (value: unknown): unknown =>
  value === undefined ? null : typeof value === "object" && value !== null ? JSON.stringify(value) : value;

/** The rows as JSON, as many as fit, and whether there were more. */
export function rowsAsText(rows: Record<string, unknown>[], cut: boolean, maxBytes = MAX_OUTPUT_BYTES): string {
  const lines: string[] = [];
  let size = 0;
  for (const row of rows) {
    const line = JSON.stringify(row);
    size += Buffer.byteLength(line) + 1;
    if (size > maxBytes) break;
    lines.push(line);
  }
  const all = !cut && lines.length === rows.length;
  return all
    ? `[${lines.join(",")}]`
    : `{"rows":[${lines.join(",")}],"note":"cut: only the first ${lines.length} rows are shown"}`;
}

/** A query of the tenant's own data, with the tool role's rights. */
export function sqlTool(sql: NonNullable<ToolSpec["sql"]>, db: () => AgentDatabase): LocalTool {
  const order = argumentOrder(sql);
  return {
    kind: "sql",
    async execute({ input, variables, signal, timeoutMs }): Promise<ToolOutcome> {
      const values = order.map((name) => toParameter(valueOf(name, { input, variables })));
      try {
        const { rows, cut } = await runToolQuery(db(), sql.statement, values, { maxRows: MAX_ROWS, timeoutMs }, signal);
        return { output: rowsAsText(rows, cut), isError: false };
      } catch (error) {
        if (error instanceof DatabaseOutage) throw error;
        const { code, message } = error as { code?: string; message: string };
        if (!code || !/^[0-9A-Z]{5}$/.test(code)) throw error;
        throw new ToolError(
          code === "57014"
            ? "the query took too long and was ended"
            : `the query failed (SQLSTATE ${code}): ${message}`,
          { cause: error },
        );
      }
    },
  };
}
