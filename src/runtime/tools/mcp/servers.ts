import type { ToolSpec } from "../../../api/agent.ts";
import { mcpNameProblem } from "../../../api/mcp-tool-name.ts";
import { ConfigError } from "../../config.ts";
import { checkedUrl } from "../http-address.ts";
import type { Tool } from "../registry.ts";
import type { McpHost, McpSpec } from "./offer.ts";
import { McpServer } from "./server.ts";

const START_MS = 5000;

/** Names, addresses: all that can be known of a server before it is asked. @throws ConfigError */
function check(specs: McpSpec[], taken: Iterable<string>): void {
  const problem = mcpNameProblem(specs, taken);
  if (problem) throw new ConfigError(`spec.tools: ${problem}`);
  for (const { name, mcp } of specs) {
    try {
      checkedUrl(mcp.url, undefined, [new URL(mcp.url).host]);
    } catch (cause) {
      throw new ConfigError(`spec.tools: ${name}.mcp.url: ${(cause as Error).message}`, { cause });
    }
  }
}

/** The agent's MCP servers. Their tools come after the others in the map, always in the order of the specification. */
export class McpServers {
  readonly #servers: McpServer[];

  /** @param tools what the model is offered; kept up to date here. @throws ConfigError */
  constructor(specs: readonly ToolSpec[], tools: Map<string, Tool>, host: McpHost) {
    const ours = specs.filter((it): it is McpSpec => it.mcp !== undefined);
    check(ours, tools.keys());
    const others = [...tools];
    const rebuild = () => {
      tools.clear();
      const remote = this.#servers.flatMap((it) => it.tools).map((it): [string, Tool] => [it.name, it]);
      for (const [name, tool] of [...others, ...remote]) tools.set(name, tool);
    };
    this.#servers = ours.map((spec) => new McpServer(spec, host, rebuild));
  }

  get status() {
    return this.#servers.map((it) => it.status);
  }

  /** @returns when each was tried once, or after some seconds: an agent does not wait for a server that is down */
  async start(): Promise<void> {
    if (this.#servers.length === 0) return;
    const patience = new Promise((resolve) => setTimeout(resolve, START_MS).unref());
    await Promise.race([Promise.all(this.#servers.map((it) => it.start())), patience]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((it) => it.stop()));
  }
}
