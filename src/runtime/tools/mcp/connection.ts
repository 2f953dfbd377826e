import type { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { HttpNetwork } from "../http.ts";
import { type ToolCall, ToolError, type ToolOutcome } from "../tool.ts";
import { explained } from "./errors.ts";
import { exchange, mcpNetwork } from "./network.ts";
import { type Listing, page, take } from "./listing.ts";
import { outcomeOf } from "./result.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const LIST_TIMEOUT_MS = 15_000;
const GOODBYE_MS = 1000;
/** A server decides how soon its streams are asked for again; but not sooner than this. */
const RECONNECT_MS = 5000;
const MAX_PAGES = 100;
const MAX_TOOLS = 20_000;
/** Of all pages together. */
const MAX_LISTING_BYTES = 8 * 1024 * 1024;

export interface Target {
  url: URL;
  network: HttpNetwork;
  version: string;
  /** The bearer token for the server, when it wants one. */
  token: () => string | undefined;
  onListChanged: () => void;
  onProblem: (error: Error) => void;
}

/** Runs one exchange: it ends by the signal, or when its answer cannot be taken. @throws ToolError */
async function exchanging<T>(
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
  bytes?: number,
): Promise<T> {
  const unacceptable = new AbortController();
  const either = AbortSignal.any([signal, unacceptable.signal]);
  try {
    const own = { signal: either, fail: (it: Error) => unacceptable.abort(it) };
    return await exchange.run({ ...own, ...(bytes === undefined ? {} : { left: bytes }) }, () => work(either));
  } catch (error) {
    signal.throwIfAborted();
    throw explained(unacceptable.signal.aborted ? unacceptable.signal.reason : error);
  }
}

type Network = ReturnType<typeof mcpNetwork>;

/** An open session with an MCP server. */
export class Connection {
  readonly #client: Client;
  readonly #transport: StreamableHTTPClientTransport;
  readonly #network: Network;

  private constructor(client: Client, transport: StreamableHTTPClientTransport, network: Network) {
    this.#client = client;
    this.#transport = transport;
    this.#network = network;
  }

  /** @throws ToolError */
  static async open(target: Target): Promise<Connection> {
    // Only agents with an MCP server load the SDK: it takes megabytes.
    const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
    const network = mcpNetwork(target.url.host, target.network, target.token);
    const transport = new StreamableHTTPClientTransport(target.url, {
      fetch: network.fetch,
      reconnectionScheduler: (reconnect, delay) => {
        const timer = setTimeout(reconnect, Math.max(delay, RECONNECT_MS)).unref();
        return () => clearTimeout(timer);
      },
    });
    const client = new Client(
      { name: "agentpg", version: target.version },
      {
        versionNegotiation: { mode: "auto" },
        listChanged: { tools: { autoRefresh: false, onChanged: target.onListChanged } },
      },
    );
    Object.assign(client, { onerror: target.onProblem }); // it is no EventTarget
    const connection = new Connection(client, transport, network);
    try {
      await client.connect(transport, { timeout: CONNECT_TIMEOUT_MS });
      return connection;
    } catch (error) {
      await connection.close();
      throw explained(error);
    }
  }

  /** The server's tools, those that are wanted whole. @throws ToolError */
  async list(isWanted: (name: string) => boolean): Promise<Listing> {
    const listing: Listing = { wanted: new Map(), names: [] };
    const read = (signal: AbortSignal) => this.#readPages(listing, isWanted, signal);
    await exchanging(AbortSignal.timeout(LIST_TIMEOUT_MS), read, MAX_LISTING_BYTES).catch((error) => {
      throw explained(error);
    });
    return listing;
  }

  async #readPages(listing: Listing, isWanted: (name: string) => boolean, signal: AbortSignal): Promise<void> {
    let cursor: string | undefined;
    let tools = 0;
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const params = cursor === undefined ? {} : { cursor };
      const found = await this.#client.request({ method: "tools/list", params }, page, { signal });
      tools += found.tools.length;
      if (tools > MAX_TOOLS) throw new ToolError(`the server's list has more than ${MAX_TOOLS} tools`);
      for (const tool of found.tools) take(listing, tool, isWanted);
      cursor = found.nextCursor;
      if (cursor === undefined) return;
    }
    throw new ToolError(`the server's list of tools has more than ${MAX_PAGES} pages`);
  }

  /** @throws ToolError, SessionLost, the signal's reason */
  async call(name: string, inputSchema: Record<string, unknown>, call: ToolCall): Promise<ToolOutcome> {
    const { input, idempotencyKey, signal, timeoutMs } = call;
    const params = { name, arguments: input, _meta: { "agentpg.dev/idempotency-key": idempotencyKey } };
    const toolDefinition = { name, inputSchema: inputSchema as { type: "object" } };
    // The signal has the time limit; the SDK's own would be a minute.
    const options = { toolDefinition, timeout: timeoutMs + 1000 };
    return exchanging(signal, async (either) =>
      outcomeOf(await this.#client.callTool(params, { ...options, signal: either })),
    );
  }

  /** Never throws. */
  async close(): Promise<void> {
    Object.assign(this.#client, { onerror: () => {} });
    const goodbye = this.#transport.terminateSession().catch(() => {});
    await Promise.race([goodbye, new Promise((resolve) => setTimeout(resolve, GOODBYE_MS).unref())]);
    await this.#client.close().catch(() => {});
    await this.#network.close().catch(() => {});
  }
}
