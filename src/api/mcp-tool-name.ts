const LONGEST = 64;

/** What the model calls a tool of an MCP server by: the entry's name, then the server's, with _ for what no tool name may hold. */
export const mcpToolName = (entry: string, remote: string): string =>
  `${entry}_${remote.replaceAll(/[^a-zA-Z0-9_-]/g, "_")}`;

/** Why the tools of the entries cannot be named, and what to do; undefined when they can. @param taken names of other tools */
export function mcpNameProblem(
  entries: readonly { name: string; mcp?: { allowedTools: readonly string[] } | undefined }[],
  taken: Iterable<string>,
): string | undefined {
  const seen = new Map([...taken].map((name) => [name, `the tool ${name}`]));
  for (const { name: entry, mcp } of entries) {
    for (const remote of mcp?.allowedTools ?? []) {
      const name = mcpToolName(entry, remote);
      const here = `${entry}.mcp.allowedTools: ${remote}`;
      const other = seen.get(name);
      if (name.length > LONGEST)
        return `${here} makes the tool name ${name}, which has ${name.length} characters, ${LONGEST} being the most: shorten the name ${entry}`;
      if (other) return `${here} makes the tool name ${name}, and so does ${other}: rename one of the entries`;
      seen.set(name, here);
    }
  }
  return undefined;
}
