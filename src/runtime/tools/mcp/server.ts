import type { ToolSpec } from "../../../api/agent.ts";
import { mcpToolName } from "../../../api/mcp-tool-name.ts";
import type { Logger } from "../../../telemetry/log.ts";
import type { HttpNetwork } from "../http.ts";
import type { Tool } from "../registry.ts";
import { RetryTool, type ToolCall, type ToolOutcome } from "../tool.ts";
import type { Connection, Listing } from "./connection.ts";
import { type Definition, Definitions } from "./definition.ts";
import { SessionLost } from "./errors.ts";
import { nearest } from "./nearest.ts";

const REFRESH_MS = 5 * 60_000;
/** Between two listings, however often a server says that its list has changed. */
const GAP_MS = 1000;
const LONGEST_BACKOFF_MS = 60_000;

export interface McpHost {
  network: HttpNetwork;
  version: string;
  log: Logger;
  defaultTimeoutSeconds: number;
  approvals: readonly string[];
}

export type McpSpec = ToolSpec & { mcp: NonNullable<ToolSpec["mcp"]> };

/** One MCP server: connected as long as the agent runs, its tools as they were listed last. */
export class McpServer {
  readonly #spec: McpSpec;
  readonly #host: McpHost;
  readonly #url: URL;
  readonly #log: Logger;
  readonly #onTools: () => void;
  #connection: Connection | undefined;
  #tools: Tool[] = [];
  #listed = "";
  #problem: string | undefined = "not connected yet";
  #stopped = false;
  #nudge: () => void = () => {};
  #nudged = false;
  #round = Promise.withResolvers<void>();

  constructor(spec: McpSpec, host: McpHost, onTools: () => void) {
    this.#spec = spec;
    this.#host = host;
    this.#url = new URL(spec.mcp.url);
    this.#onTools = onTools;
    this.#log = host.log.child({ mcp: spec.name, host: this.#url.host });
  }

  get tools(): readonly Tool[] {
    return this.#tools;
  }
  get status() {
    const { name } = this.#spec;
    const connected = this.#connection !== undefined;
    return { name, host: this.#url.host, connected, tools: this.#tools.length, problem: this.#problem ?? null };
  }

  /** Connects, and stays connected. @returns when the first attempt is over */
  async start(): Promise<void> {
    const first = this.#round.promise;
    void this.#run();
    await first;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    this.#round.resolve();
    await this.#drop();
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#stopped; ) {
      failures = (await this.#refresh()) ? 0 : failures + 1;
      this.#round.resolve();
      this.#round = Promise.withResolvers();
      const backoff = Math.min(GAP_MS * 2 ** (failures - 1), LONGEST_BACKOFF_MS) * (0.75 + Math.random() / 2);
      await this.#pause(failures === 0 ? REFRESH_MS : backoff);
    }
  }

  /** Waits, unless it is woken; and a little even then. */
  async #pause(ms: number): Promise<void> {
    await sleep(Math.min(GAP_MS, ms));
    if (this.#nudged || this.#stopped || ms <= GAP_MS) this.#nudged = false;
    else await Promise.race([sleep(ms - GAP_MS), new Promise<void>((resolve) => (this.#nudge = resolve))]);
    this.#nudged = false;
  }

  #wake(): void {
    this.#nudged = true;
    this.#nudge();
  }

  /** Lists the tools, connecting when that takes it. @returns whether it could. Never throws. */
  async #refresh(): Promise<boolean> {
    const held = this.#connection;
    try {
      if (held && (await this.#list(held).catch(() => false))) return true;
      await this.#drop();
      const { Connection } = await import("./connection.ts");
      const opened = await Connection.open({
        url: this.#url,
        network: this.#host.network,
        version: this.#host.version,
        onListChanged: () => this.#wake(),
        onProblem: (err) => this.#log.debug({ err }, "a problem with an MCP server"),
      });
      if (this.#stopped) return opened.close().then(() => true);
      this.#connection = opened;
      return await this.#list(opened);
    } catch (err) {
      await this.#drop();
      this.#tell((err as Error).message, err);
      return false;
    }
  }

  async #drop(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }

  async #list(connection: Connection): Promise<true> {
    const { allowedTools } = this.#spec.mcp;
    const listing = await connection.list((name) => allowedTools.includes(name));
    const listed = JSON.stringify([...listing.wanted]);
    if (listed !== this.#listed || this.#tools.length === 0) this.#publish(listing);
    this.#listed = listed;
    return true;
  }

  #publish(listing: Listing): void {
    const definitions = new Definitions();
    const problems: string[] = [];
    const tools: Tool[] = [];
    for (const remote of this.#spec.mcp.allowedTools) {
      const sent = listing.wanted.get(remote);
      if (sent === undefined) {
        problems.push(`the server has no tool ${remote}${like(remote, listing.names)}`);
        continue;
      }
      try {
        const name = mcpToolName(this.#spec.name, remote);
        tools.push(this.#toolOf(definitions.make(sent, name, this.#spec.description)));
      } catch (error) {
        problems.push(`the tool ${remote} is left out: ${(error as Error).message}`);
      }
    }
    this.#tools = tools;
    this.#onTools();
    this.#tell(problems.length > 0 ? problems.join("; ").slice(0, 2000) : undefined);
  }

  /** Logs what is new. */
  #tell(problem: string | undefined, err?: unknown): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    if (problem) this.#log.warn(err ? { problem, err } : { problem }, "not all is well with an MCP server");
    else this.#log.info({ tools: this.#tools.length }, "the tools of an MCP server are there");
  }

  #toolOf({ remote, definition, check }: Definition): Tool {
    const { idempotent, maxAttempts, timeoutSeconds, name } = this.#spec;
    const { approvals, defaultTimeoutSeconds } = this.#host;
    return {
      name: definition.name,
      idempotent,
      maxAttempts,
      needsApproval: approvals.includes(definition.name) || approvals.includes(name),
      timeoutMs: (timeoutSeconds ?? defaultTimeoutSeconds) * 1000,
      definition,
      check,
      body: { kind: "mcp", execute: (call) => this.#call(remote, definition.input_schema, call) },
    };
  }

  async #call(remote: string, schema: Record<string, unknown>, call: ToolCall): Promise<ToolOutcome> {
    const connection = this.#connection;
    if (!connection) throw new RetryTool(`the MCP server ${this.#spec.name} cannot be reached at present`);
    try {
      return await connection.call(remote, schema, call);
    } catch (error) {
      if (!(error instanceof RetryTool)) throw error;
      if (error instanceof SessionLost && this.#connection === connection) await this.#drop();
      this.#wake(); // looks at once whether the server is still there
      if (!(error instanceof SessionLost) || !this.#spec.idempotent) throw error;
      await this.#round.promise;
      call.signal.throwIfAborted();
      const renewed = this.#connection;
      if (!renewed) throw error;
      return renewed.call(remote, schema, call);
    }
  }
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());

function like(name: string, names: string[]): string {
  const found = nearest(name, names).map((it) => JSON.stringify(it));
  return found.length > 0 ? ` (it has ${found.join(", ")})` : "";
}
