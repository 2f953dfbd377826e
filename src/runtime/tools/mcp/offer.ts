import type { ToolSpec } from "../../../api/agent.ts";
import { mcpToolName } from "../../../api/mcp-tool-name.ts";
import type { Watched } from "../../../process/watched.ts";
import type { Logger } from "../../../telemetry/log.ts";
import type { HttpNetwork } from "../http.ts";
import type { Tool } from "../registry.ts";
import type { ToolCall, ToolOutcome } from "../tool.ts";
import type { Listing } from "./listing.ts";
import { type Definition, Definitions } from "./definition.ts";
import { nearest } from "./nearest.ts";

export interface McpHost {
  network: HttpNetwork;
  version: string;
  /** The token that the entry of this name has, as its file says it. */
  tokenOf(name: string): Watched<string>;
  log: Logger;
  defaultTimeoutSeconds: number;
  approvals: readonly string[];
}

export type McpSpec = ToolSpec & { mcp: NonNullable<ToolSpec["mcp"]> };

export type Execute = (remote: string, schema: Record<string, unknown>, call: ToolCall) => Promise<ToolOutcome>;

const MAX_PROBLEM = 2000;

function toolOf(
  { remote, definition, schema, check }: Definition,
  spec: McpSpec,
  host: McpHost,
  execute: Execute,
): Tool {
  const { idempotent, maxAttempts, timeoutSeconds, name } = spec;
  return {
    name: definition.name,
    idempotent,
    maxAttempts,
    needsApproval: host.approvals.includes(definition.name) || host.approvals.includes(name),
    timeoutMs: (timeoutSeconds ?? host.defaultTimeoutSeconds) * 1000,
    definition,
    check,
    body: { kind: "mcp", execute: (call) => execute(remote, schema, call) },
  };
}

function like(name: string, names: string[]): string {
  const found = nearest(name, names).map((it) => JSON.stringify(it));
  return found.length > 0 ? ` (it has ${found.join(", ")})` : "";
}

/** What of a server's list the model is offered, in the order of the entry, and why the rest is not. */
export function offerOf(
  { wanted, names }: Listing,
  spec: McpSpec,
  host: McpHost,
  execute: Execute,
): { tools: Tool[]; problem: string | undefined } {
  const definitions = new Definitions();
  const tools: Tool[] = [];
  const problems: string[] = [];
  for (const remote of spec.mcp.allowedTools) {
    const sent = wanted.get(remote);
    if (sent === undefined) {
      problems.push(`the server has no tool ${remote}${like(remote, names)}`);
      continue;
    }
    try {
      const definition = definitions.make(sent, mcpToolName(spec.name, remote), spec.description);
      tools.push(toolOf(definition, spec, host, execute));
    } catch (error) {
      problems.push(`the tool ${remote} is left out: ${(error as Error).message}`);
    }
  }
  return { tools, problem: problems.length > 0 ? problems.join("; ").slice(0, MAX_PROBLEM) : undefined };
}
