import { hash } from "node:crypto";
import type { Logger } from "../../../telemetry/log.ts";
import type { Tool } from "../registry.ts";
import { RetryTool, type ToolCall, type ToolOutcome } from "../tool.ts";
import { Alarm } from "./alarm.ts";
import type { Connection } from "./connection.ts";
import { SessionLost, Unauthorized } from "./errors.ts";
import { type McpHost, type McpSpec, offerOf } from "./offer.ts";
import { ServerToken } from "./token.ts";

const REFRESH_MS = 5 * 60_000;
/** Between two listings, however often a server says that its list has changed. */
const GAP_MS = 1000;
const LONGEST_BACKOFF_MS = 60_000;

/** One MCP server: connected as long as the agent runs, its tools as they were listed last. */
export class McpServer {
  readonly #spec: McpSpec;
  readonly #host: McpHost;
  readonly #url: URL;
  readonly #log: Logger;
  readonly #onTools: () => void;
  #connection: Connection | undefined;
  #tools: Tool[] = [];
  /** What the tools were made of, and what was wrong with it. */
  #listed = "";
  #advice: string | undefined;
  /** Listings in a row that failed. */
  #misses = 0;
  #problem: string | undefined = "not connected yet";
  #stopped = false;
  readonly #token: ServerToken;
  readonly #alarm = new Alarm(GAP_MS);
  #round = Promise.withResolvers<void>();

  constructor(spec: McpSpec, host: McpHost, onTools: () => void) {
    this.#spec = spec;
    this.#host = host;
    this.#url = new URL(spec.mcp.url);
    this.#onTools = onTools;
    this.#log = host.log.child({ mcp: spec.name, host: this.#url.host });
    this.#token = new ServerToken(spec, host, () => this.#alarm.ring());
  }

  get tools(): readonly Tool[] {
    return this.#tools;
  }
  get status() {
    const { name, mcp } = this.#spec;
    const connected = this.#connection !== undefined && this.#misses === 0;
    const tools = this.#tools.length;
    const leftOut = this.#listed ? mcp.allowedTools.length - tools : 0;
    return { name, host: this.#url.host, connected, tools, leftOut, problem: this.#problem ?? null };
  }

  /** Connects, and stays connected. @returns when the first attempt is over */
  async start(): Promise<void> {
    const first = this.#round.promise;
    await this.#token.start();
    void this.#run();
    await first;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#token.stop();
    this.#alarm.ring();
    this.#round.resolve();
    await this.#drop();
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#stopped; ) {
      failures = (await this.#refresh()) ? 0 : failures + 1;
      this.#round.resolve();
      this.#round = Promise.withResolvers();
      const backoff = Math.min(GAP_MS * 2 ** (failures - 1), LONGEST_BACKOFF_MS) * (0.75 + Math.random() / 2);
      await this.#alarm.pause(failures === 0 ? REFRESH_MS : backoff);
    }
  }

  /** Lists the tools, connecting when that takes it. @returns whether it could. Never throws. */
  async #refresh(): Promise<boolean> {
    try {
      await this.#list(this.#connection ?? (await this.#open()));
      return true;
    } catch (err) {
      // Calls may be under way: a server that was slow once keeps the connection.
      if (err instanceof SessionLost || this.#misses++ > 0 || this.#tools.length === 0) await this.#drop();
      if (!this.#stopped) this.#tell(this.#token.told(err as Error), this.#token.safe(err));
      return false;
    }
  }

  /** @throws ToolError */
  async #open(): Promise<Connection> {
    this.#token.check();
    const { Connection } = await import("./connection.ts");
    const opened = await Connection.open({
      url: this.#url,
      network: this.#host.network,
      version: this.#host.version,
      token: () => this.#token.value,
      onListChanged: () => this.#alarm.ring(),
      onProblem: (err) => this.#log.debug({ err }, "a problem with an MCP server"),
    });
    if (this.#stopped) await opened.close();
    else this.#connection = opened;
    return opened;
  }

  async #drop(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }

  async #list(connection: Connection): Promise<void> {
    const { allowedTools } = this.#spec.mcp;
    const listing = await connection.list((name) => allowedTools.includes(name));
    const listed = hash("sha256", JSON.stringify([...listing.wanted, listing.names]));
    if (listed !== this.#listed) {
      const execute = this.#call.bind(this);
      const { tools, problem } = offerOf(listing, this.#spec, this.#host, execute);
      [this.#tools, this.#advice, this.#listed] = [tools, problem, listed];
      this.#onTools();
    }
    this.#misses = 0;
    this.#tell(this.#advice);
  }

  /** Logs what is new. */
  #tell(problem: string | undefined, err?: unknown): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    if (problem) this.#log.warn(err ? { problem, err } : { problem }, "not all is well with an MCP server");
    else this.#log.info({ tools: this.#tools.length }, "the tools of an MCP server are there");
  }

  async #call(remote: string, schema: Record<string, unknown>, call: ToolCall): Promise<ToolOutcome> {
    const connection = this.#connection;
    if (!connection) throw new RetryTool(`the MCP server ${this.#spec.name} cannot be reached at present`);
    const ask = async (from: Connection) => {
      const outcome = await from.call(remote, schema, call);
      return { ...outcome, output: this.#token.hide(outcome.output) };
    };
    try {
      return await ask(connection);
    } catch (error) {
      if (error instanceof Unauthorized && (await this.#token.refresh())) return ask(connection); // it was not made
      if (error instanceof Unauthorized) this.#alarm.ring();
      this.#token.safe(error);
      if (!(error instanceof RetryTool)) throw error;
      if (error instanceof SessionLost && this.#connection === connection) await this.#drop();
      this.#alarm.ring(); // looks at once whether the server is still there
      if (!(error instanceof SessionLost) || !this.#spec.idempotent) throw error;
      await this.#round.promise;
      call.signal.throwIfAborted();
      const renewed = this.#connection;
      if (!renewed) throw error;
      return ask(renewed);
    }
  }
}
