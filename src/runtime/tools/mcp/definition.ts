import { z } from "zod";
import { searchingPattern } from "../../../api/linear-pattern.ts";
import type { ToolDefinition } from "../../model/client.ts";
import { shownSchema, visible } from "./shown-schema.ts";
import { type InputCheck, InputChecks, type Pattern } from "../validation.ts";

const MAX_DESCRIPTION = 4096;
const MAX_SCHEMA_BYTES = 32 * 1024;
/** Every model call carries the definitions. */
const MAX_SERVER_BYTES = 256 * 1024;

const NOT_ASCII = /[^\x20-\x7e\s]/;

const remoteTool = z.object({
  name: z.string(),
  description: z.string().optional(),
  inputSchema: z.looseObject({ type: z.literal("object") }),
});

export interface Definition {
  remote: string;
  definition: ToolDefinition;
  /** As the server sent it. */
  schema: Record<string, unknown>;
  check: InputCheck;
}

/** Patterns of a stranger could hold the process up: those that take more than linear time are left to the server. */
function harmlessPattern(pattern: string): Pattern {
  const toString = () => pattern; // Ajv keeps patterns by it
  new RegExp(pattern, "u");
  try {
    if (NOT_ASCII.test(pattern) || /\\[pPu]/.test(pattern)) return { test: () => true, toString };
    const linear = searchingPattern(pattern); // which knows no flag u
    return { test: (text) => NOT_ASCII.test(text) || linear.test(text), toString };
  } catch {
    return { test: () => true, toString };
  }
}

/** Makes definitions of what a server sent, as far as it can be trusted with them. */
export class Definitions {
  readonly #checks = new InputChecks(harmlessPattern);
  #bytes = 0;

  /** @throws Error that says why the tool cannot be had */
  make(tool: unknown, name: string, ownDescription: string): Definition {
    if (tool instanceof Error) throw tool;
    const { data, error } = remoteTool.safeParse(tool);
    if (error) throw new Error(`its ${error.issues[0]?.path.join(".") ?? "definition"} is not as MCP wants it`);
    const { $schema: _, ...schema } = data.inputSchema; // many name a draft that differs in nothing they use
    const size = Buffer.byteLength(JSON.stringify(schema));
    if (size > MAX_SCHEMA_BYTES) throw new Error(`its schema has ${size} bytes, ${MAX_SCHEMA_BYTES} being the most`);
    const check = this.#checkOf(schema);
    const shown = shownSchema(schema);
    const said = visible(data.description ?? "")
      .slice(0, MAX_DESCRIPTION)
      .toWellFormed();
    const description = [ownDescription, said, shown.note].filter(Boolean).join("\n\n");
    this.#bytes += size + Buffer.byteLength(description);
    if (this.#bytes > MAX_SERVER_BYTES) throw new Error("the server's definitions are too large together");
    return { remote: data.name, definition: { name, description, input_schema: shown.schema }, schema, check };
  }

  #checkOf(schema: Record<string, unknown>): InputCheck {
    try {
      return this.#checks.compile(schema);
    } catch (cause) {
      throw new Error(`its schema is not a JSON Schema: ${(cause as Error).message.slice(0, 300)}`, { cause });
    }
  }
}
