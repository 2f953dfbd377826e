import { type Agent, type ToolSpec } from "../../api/agent.ts";
import { approvalsProblem } from "../../api/approvals-problem.ts";
import { mcpNameProblem } from "../../api/mcp-tool-name.ts";
import type { Tenant } from "../../api/tenant.ts";
import { commandsAreWrong } from "./workspace-problem.ts";

/** Why an Agent cannot run as it is written, and what to do. */
export interface Problem {
  reason: string;
  message: string;
}

/** What the checks look at: everything they need, gathered before. */
export interface Surroundings {
  agent: Agent;
  tenant: Tenant;
  /** All Agents of the namespace, this one among them. */
  siblings: readonly Agent[];
  /** The system prompt of `systemPromptFrom`, when it was found. */
  promptFound: boolean;
  /** Of spec.modules, those whose ConfigMap or key is not there. */
  missingModules: Agent["spec"]["modules"];
  /** Why a token for an MCP server cannot be had. */
  noMcpToken?: string | undefined;
  /** Why nothing can be encrypted, when that is so. */
  noEncryption: Problem | undefined;
}

type Check = (it: Surroundings) => Problem | undefined;

const delegates = (agent: Agent): string[] => agent.spec.tools.flatMap((tool) => (tool.agent ? [tool.agent.name] : []));

const modelIsNotAllowed: Check = ({ agent, tenant }) => {
  const { allowedModels } = tenant.spec.anthropic;
  if (allowedModels.length === 0 || allowedModels.includes(agent.spec.model)) return undefined;
  return {
    reason: "ModelNotAllowed",
    message: `spec.model: ${agent.spec.model} is not among this tenant's models: use one of ${allowedModels.join(", ")}, or add it to the Tenant's anthropic.allowedModels`,
  };
};

const promptIsMissing: Check = ({ agent, promptFound }) => {
  const ref = agent.spec.systemPromptFrom?.configMapKeyRef;
  if (!ref || promptFound) return undefined;
  return {
    reason: "SystemPromptMissing",
    message: `spec.systemPromptFrom: ConfigMap ${ref.name} has no key ${ref.key}: create it, or correct the reference`,
  };
};

const moduleIsMissing: Check = ({ missingModules: [missing] }) => {
  if (!missing) return undefined;
  const { name, key } = missing.configMapKeyRef;
  return {
    reason: "ModuleMissing",
    message: `spec.modules: ${missing.name}: ConfigMap ${name} has no key ${key}: create it (kubectl create configmap ${name} --from-file=${key}), or correct the reference`,
  };
};

const delegateIsMissing: Check = ({ agent, siblings }) => {
  const missing = delegates(agent).find((name) => !siblings.some((it) => it.metadata.name === name));
  if (missing === undefined) return undefined;
  return {
    reason: "DelegateMissing",
    message: `spec.tools: there is no Agent ${missing} in namespace ${agent.metadata.namespace}: create it, or remove the tool that names it`,
  };
};

/** The shortest chain of delegations from an Agent back to itself, or undefined. */
export function delegationCycle(agent: Agent, siblings: readonly Agent[]): string[] | undefined {
  const byName = new Map(siblings.map((it) => [it.metadata.name, it]));
  const start = agent.metadata.name;
  const queue: string[][] = [[start]];
  const seen = new Set<string>();
  for (let path = queue.shift(); path; path = queue.shift()) {
    const last = byName.get(path.at(-1) ?? "");
    for (const next of last ? delegates(last) : []) {
      if (next === start) return [...path, next];
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push([...path, next]);
    }
  }
  return undefined;
}

const delegatesInACycle: Check = ({ agent, siblings }) => {
  const cycle = delegationCycle(agent, siblings);
  if (!cycle) return undefined;
  return {
    reason: "DelegationCycle",
    message: `spec.tools: these Agents ask each other in a circle: ${cycle.join(" → ")}. Remove one of the agent tools`,
  };
};

/** Never run in plain text what is to be encrypted. */
const encryptionKeyIsMissing: Check = ({ agent, noEncryption }) => {
  if (!agent.spec.dataProtection.encryptTranscripts || !noEncryption) return undefined;
  const { reason, message } = noEncryption;
  return { reason, message: `spec.dataProtection.encryptTranscripts: ${message}` };
};

/** How many values a statement takes: the largest n of $n. Literals and comments are looked through, so quote a $1 elsewhere. */
const placeholders = (statement: string): number =>
  Math.max(0, ...[...statement.matchAll(/\$(\d+)/g)].map((it) => Number(it[1])));

function sqlProblem({ name, sql }: ToolSpec): string | undefined {
  if (!sql) return undefined;
  const named = Object.keys((sql.parameters["properties"] as Record<string, unknown> | undefined) ?? {});
  const required = Array.isArray(sql.parameters["required"]) ? sql.parameters["required"].map(String) : [];
  const properties = [...new Set([...required, ...named])]; // as the runtime counts them
  const unknown = sql.arguments?.find((it) => !properties.includes(it));
  if (unknown)
    return `${name}.sql.arguments names ${unknown}, which parameters.properties does not have: add it there, or correct the name`;
  const given = sql.arguments?.length ?? properties.length;
  const wanted = placeholders(sql.statement);
  if (wanted === given) return undefined;
  return `${name}.sql.statement takes ${wanted} values ($1 … $${wanted}) but ${given} are given: name one property for each in parameters.properties, and their order in sql.arguments`;
}

const sqlArgumentsDoNotFit: Check = ({ agent }) => {
  const problem = agent.spec.tools.map(sqlProblem).find((it) => it !== undefined);
  return problem === undefined ? undefined : { reason: "ToolInvalid", message: `spec.tools: ${problem}` };
};

const parametersAreNoObjectSchema: Check = ({ agent }) => {
  const tool = agent.spec.tools.find(
    (it) => it.sql && it.sql.parameters["type"] !== undefined && it.sql.parameters["type"] !== "object",
  );
  if (!tool) return undefined;
  return {
    reason: "ToolInvalid",
    message: `spec.tools: ${tool.name}.sql.parameters must be a JSON Schema of type object: the model gives its input as one object`,
  };
};

const mcpNamesDoNotFit: Check = ({ agent: { spec } }) => {
  const others = spec.tools.filter((it) => !it.mcp).map((it) => it.name);
  const problem = mcpNameProblem(spec.tools, others);
  return problem === undefined ? undefined : { reason: "ToolInvalid", message: `spec.tools: ${problem}` };
};

/** What tools a module has is known to the pods alone: they look at the names when there is one. */
const approvalsNameNoTool: Check = ({ agent: { spec } }) => {
  const { approvals, modules, tools } = spec;
  const problem = approvals && modules.length === 0 ? approvalsProblem(approvals.tools, tools) : undefined;
  return problem === undefined ? undefined : { reason: "ToolInvalid", message: `spec.approvals.tools: ${problem}` };
};

const mcpTokenIsMissing: Check = ({ noMcpToken }) =>
  noMcpToken === undefined ? undefined : { reason: "McpTokenMissing", message: noMcpToken };

const CHECKS: readonly Check[] = [
  modelIsNotAllowed,
  promptIsMissing,
  moduleIsMissing,
  delegateIsMissing,
  delegatesInACycle,
  encryptionKeyIsMissing,
  parametersAreNoObjectSchema,
  sqlArgumentsDoNotFit,
  mcpNamesDoNotFit,
  approvalsNameNoTool,
  mcpTokenIsMissing,
  commandsAreWrong,
];

/** The first thing that is wrong with an Agent, or undefined. */
export const configurationProblem: Check = (it) => {
  for (const check of CHECKS) {
    const problem = check(it);
    if (problem) return problem;
  }
  return undefined;
};
