import { z } from "zod";
import type { Logger } from "../../telemetry/log.ts";
import { ConfigError } from "../config.ts";
import type { LoadedTool } from "../modules/contents.ts";
import type { ToolContext } from "../modules/interface.ts";
import type { Tool } from "./registry.ts";
import { capped, type LocalTool, RetryTool, SnoozeTool, type ToolCall, ToolError } from "./tool.ts";
import type { InputCheck } from "./validation.ts";

export interface ModuleToolHost {
  tenant: string;
  agent: string;
  defaultTimeoutSeconds: number;
  log: Logger;
}

const problems = (error: z.core.$ZodError): string =>
  error.issues
    .slice(0, 10)
    .map((it) => `${it.path.join(".") || "input"}: ${it.message}`)
    .join("; ");

/** @throws ConfigError */
function schemaOf({ name, input }: LoadedTool, module: string): Record<string, unknown> {
  try {
    const { $schema: _, ...schema } = z.toJSONSchema(input, { io: "input", target: "draft-2020-12" });
    return schema;
  } catch (cause) {
    throw new ConfigError(
      `module ${module}: tool ${name}: its input cannot be told to the model as JSON Schema: ${(cause as Error).message}`,
      { cause },
    );
  }
}

const checkOf =
  ({ input }: LoadedTool): InputCheck =>
  (given) => {
    try {
      const { error } = input.safeParse(given);
      return error && problems(error);
    } catch {
      return undefined; // a refinement that is asynchronous: execute() parses once more, and waits for it
    }
  };

async function parsedInput({ input }: LoadedTool, given: unknown): Promise<Record<string, unknown>> {
  const { data, error } = await input.safeParseAsync(given);
  if (error) throw new ToolError(`the input does not fit the tool's schema: ${problems(error)}`);
  return data;
}

async function parsedVariables(
  { variables }: LoadedTool,
  given: ToolCall["variables"],
): Promise<Record<string, unknown>> {
  if (!variables) return given ?? {};
  const { data, error } = await variables.safeParseAsync(given ?? {});
  if (error) throw new ToolError(`the run's variables are not those that this tool needs: ${problems(error)}`);
  return data;
}

/** What the model reads of what `execute` returned. */
function textOf(result: unknown): string {
  if (typeof result === "string") return capped(result);
  if (ArrayBuffer.isView(result) || result instanceof ArrayBuffer)
    throw new TypeError("the tool returned binary data; return text or JSON");
  return capped(JSON.stringify(result) ?? "");
}

/** A module that was bundled may throw its own copies of our errors: they are known by their names. */
function ownError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ToolError || error instanceof SnoozeTool) return error;
  const { name, message } = error;
  if (name === "ToolError") return new ToolError(message, { cause: error });
  if (name === "RetryTool") return new RetryTool(message, { cause: error });
  if (name === "SnoozeTool") return new SnoozeTool(Number((error as { seconds?: unknown }).seconds), message);
  return error;
}

function contextOf(
  tool: LoadedTool,
  call: ToolCall,
  variables: Record<string, unknown>,
  host: ModuleToolHost,
): ToolContext {
  const { idempotencyKey, signal, sessionId, runId, userId } = call;
  const log = host.log.child({ tool: tool.name, run: runId });
  const { tenant, agent } = host;
  return {
    variables,
    idempotencyKey,
    signal,
    sessionId,
    runId,
    userId,
    tenant,
    agent,
    log: {
      info: (message, fields = {}) => log.info(fields, message),
      warn: (message, fields = {}) => log.warn(fields, message),
      error: (message, fields = {}) => log.error(fields, message),
    },
  };
}

const bodyOf = (tool: LoadedTool, host: ModuleToolHost): LocalTool => ({
  kind: "module",
  async execute(call) {
    const input = await parsedInput(tool, call.input);
    const variables = await parsedVariables(tool, call.variables);
    try {
      return { output: textOf(await tool.execute(input, contextOf(tool, call, variables, host))), isError: false };
    } catch (error) {
      throw ownError(error);
    }
  },
});

/** A tool of a module, as the engine runs tools. @throws ConfigError */
export function moduleTool(tool: LoadedTool, module: string, host: ModuleToolHost): Tool {
  const { name, description, idempotent, maxAttempts, needsApproval, timeoutSeconds } = tool;
  return {
    name,
    idempotent,
    maxAttempts,
    needsApproval,
    timeoutMs: (timeoutSeconds ?? host.defaultTimeoutSeconds) * 1000,
    definition: { name, description, input_schema: schemaOf(tool, module) },
    check: checkOf(tool),
    body: bodyOf(tool, host),
  };
}
