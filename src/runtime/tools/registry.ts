import { toolKind, type ToolSpec } from "../../api/agent.ts";
import type { AgentDatabase } from "../../database/runs/database.ts";
import { ConfigError } from "../config.ts";
import type { ToolDefinition } from "../model/client.ts";
import { HTTP_INPUT_SCHEMA, type HttpNetwork, httpTool } from "./http.ts";
import { sqlTool } from "./sql.ts";
import type { ToolBody } from "./tool.ts";
import { type InputCheck, InputChecks } from "./validation.ts";

export interface Tool {
  name: string;
  idempotent: boolean;
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
}

function bodyOf(spec: ToolSpec, host: ToolHost): { schema: Record<string, unknown>; body: ToolBody } {
  if (spec.sql) return { schema: { type: "object", ...spec.sql.parameters }, body: sqlTool(spec.sql, host.db) };
  if (spec.http) return { schema: HTTP_INPUT_SCHEMA(spec.http.methods), body: httpTool(spec.http, host.network) };
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
    timeoutMs: (spec.timeoutSeconds ?? host.defaultTimeoutSeconds) * 1000,
    definition: { name: spec.name, description: spec.description, input_schema: schema },
    check,
    body,
  };
}

/** The tools of an agent, ready to run. @throws ConfigError that names the tool which cannot be had */
export function createTools(specs: ToolSpec[], host: ToolHost): Tools {
  const checks = new InputChecks();
  return new Map(specs.map((spec) => [spec.name, toolOf(spec, host, checks)]));
}
