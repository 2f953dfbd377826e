import { approvalsProblem } from "../../api/approvals-problem.ts";
import { toolKind, type ToolSpec } from "../../api/agent.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { ConfigError } from "../config.ts";
import type { ToolDefinition } from "../model/client.ts";
import type { LoadedModule } from "../modules/load.ts";
import { commandsSchema } from "./commands/schema.ts";
import { commandsTool } from "./commands/tool.ts";
import { filesSchema } from "./files/input.ts";
import { filesTool } from "./files/tool.ts";
import { HTTP_INPUT_SCHEMA, type HttpNetwork, httpTool } from "./http.ts";
import { type ModuleToolHost, moduleTool } from "./module-tool.ts";
import { sqlTool } from "./sql.ts";
import type { ToolBody } from "./tool.ts";
import { type InputCheck, InputChecks } from "./validation.ts";
import type { Workspace } from "./workspace/workspace.ts";

export interface Tool {
  name: string;
  idempotent: boolean;
  /** How often a call is made that fails in a way that may pass. */
  maxAttempts: number;
  /** Each call waits for a person. */
  needsApproval: boolean;
  timeoutMs: number;
  definition: ToolDefinition;
  /** What is wrong with an input; undefined when nothing is. */
  check: InputCheck;
  body: ToolBody;
}

export type Tools = ReadonlyMap<string, Tool>;

const TASK_SCHEMA = {
  type: "object",
  properties: {
    task: {
      type: "string",
      minLength: 1,
      description: "What the other agent is to do; it knows nothing of this conversation.",
    },
  },
  required: ["task"],
  additionalProperties: false,
};

export interface ToolHost {
  /** Asked at each call: tools are made, and their faults told, before the database is there. */
  db: () => AgentDatabase;
  defaultTimeoutSeconds: number;
  network?: HttpNetwork;
  /** Where the tools `files` and `commands` work. */
  workspace?: Workspace;
  /** The tools whose calls wait for a person, beside those that say so themselves. */
  approvals?: readonly string[];
  modules?: { loaded: readonly LoadedModule[]; host: ModuleToolHost };
}

/** @throws ConfigError */
function workspaceOf({ workspace }: ToolHost): Workspace {
  if (!workspace) throw new ConfigError("the tools files and commands need a workspace");
  workspace.check();
  return workspace;
}

function bodyOf(spec: ToolSpec, host: ToolHost): { schema: Record<string, unknown>; body: ToolBody } {
  if (spec.sql) return { schema: { type: "object", ...spec.sql.parameters }, body: sqlTool(spec.sql, host.db) };
  if (spec.http) return { schema: HTTP_INPUT_SCHEMA(spec.http.methods), body: httpTool(spec.http, host.network) };
  if (spec.files) return { schema: filesSchema(spec.files), body: filesTool(spec.files, workspaceOf(host)) };
  if (spec.commands)
    return { schema: commandsSchema(spec.commands), body: commandsTool(spec.name, spec.commands, workspaceOf(host)) };
  if (spec.agent) return { schema: TASK_SCHEMA, body: { kind: "agent", agent: spec.agent.name } };
  throw new ConfigError(
    `tool ${spec.name}: this version runs sql, http and agent tools, not ${toolKind(spec)}: take it out of spec.tools`,
  );
}

function toolOf(spec: ToolSpec, host: ToolHost, checks: InputChecks): Tool {
  const { schema, body } = bodyOf(spec, host);
  let check: InputCheck;
  try {
    check = checks.compile(schema);
  } catch (cause) {
    throw new ConfigError(`tool ${spec.name}: its parameters are not a JSON Schema: ${(cause as Error).message}`, {
      cause,
    });
  }
  return {
    name: spec.name,
    idempotent: spec.idempotent,
    maxAttempts: spec.maxAttempts,
    needsApproval: host.approvals?.includes(spec.name) ?? false,
    timeoutMs: (spec.timeoutSeconds ?? host.defaultTimeoutSeconds) * 1000,
    definition: { name: spec.name, description: spec.description, input_schema: schema },
    check,
    body,
  };
}

function moduleTools({ modules, approvals = [] }: ToolHost): Tool[] {
  const { loaded = [], host } = modules ?? {};
  return loaded.flatMap(({ name, tools }) =>
    tools
      .map((it) => moduleTool(it, name, host as ModuleToolHost))
      .map((it) => (approvals.includes(it.name) ? { ...it, needsApproval: true } : it)),
  );
}

/** The tools of an agent, ready to run; those of MCP servers come later (mcp/servers.ts). @throws ConfigError that names the tool which cannot be had */
export function createTools(specs: ToolSpec[], host: ToolHost): Map<string, Tool> {
  const checks = new InputChecks();
  const tools = new Map(specs.filter((it) => !it.mcp).map((spec) => [spec.name, toolOf(spec, host, checks)]));
  for (const tool of moduleTools(host)) {
    if (tools.has(tool.name))
      throw new ConfigError(`the tool ${tool.name} is in spec.tools and in a module of spec.modules: rename one`);
    tools.set(tool.name, tool);
  }
  const problem = approvalsProblem(host.approvals ?? [], specs, [...tools.keys()]);
  if (problem !== undefined) throw new ConfigError(`spec.approvals.tools: ${problem}`);
  return tools;
}
