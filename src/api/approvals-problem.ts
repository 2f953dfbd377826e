import { mcpToolName } from "./mcp-tool-name.ts";

interface Named {
  name: string;
  mcp?: { allowedTools: readonly string[] } | undefined;
  agent?: unknown;
}

const MOST_TOLD = 12;

/**
 * Why the tools whose calls are to wait for a person (`spec.approvals.tools`) are not what is meant, and what to do; undefined when they
 * are. A name that fits nothing would let the calls of the tool that was meant go unseen.
 * @param others names of tools that are no entries of spec.tools: those of modules
 */
export function approvalsProblem(
  approvals: readonly string[],
  tools: readonly Named[],
  others: readonly string[] = [],
): string | undefined {
  const asked = tools.find((it) => it.agent && approvals.includes(it.name));
  if (asked)
    return `${asked.name} asks another agent, and such calls do not wait: name the tools of that agent in its own spec.approvals.tools`;
  const entries = tools.flatMap(({ name, mcp }) => [
    name,
    ...(mcp?.allowedTools ?? []).map((it) => mcpToolName(name, it)),
  ]);
  const names = new Set([...entries, ...others]);
  const unknown = approvals.find((it) => !names.has(it));
  if (unknown === undefined) return undefined;
  const told = [...names].slice(0, MOST_TOLD).join(", ");
  return `there is no tool ${unknown}: ${told ? `correct the name (there is ${told})` : "this Agent has no tools"}, or take it out`;
}
