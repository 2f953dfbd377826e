import type { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { z } from "zod";
import type { HttpNetwork } from "../http.ts";
import { type ToolCall, ToolError, type ToolOutcome } from "../tool.ts";
import { explained } from "./errors.ts";
import { exchange, mcpNetwork } from "./network.ts";
import { outcomeOf } from "./result.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const LIST_TIMEOUT_MS = 15_000;
const GOODBYE_MS = 1000;
/** A server decides how soon its streams are asked for again; but not sooner than this. */
const RECONNECT_MS = 5000;
const MAX_PAGES = 100;
const MAX_NAMES = 1000;
/** Of one tool with all that comes with it: icons, output schema. */
const MAX_TOOL_CHARS = 128 * 1024;

export interface Target {
  url: URL;
  network: HttpNetwork;
  version: string;
  onListChanged: () => void;
  onProblem: (error: Error) => void;
}

export interface Listing {
  /** As the server sent them, nothing of them checked; an Error in the place of what is too large. */
  wanted: Map<string, unknown>;
  /** Of the others, for advice. */
  names: string[];
}

// Tools one by one, so that a broken one does not hide the others.
const page = z.object({ tools: z.array(z.unknown()), nextCursor: z.string().max(8192).optional() });
const nameOf = (tool: unknown): string | undefined => {
  const { name } = (tool ?? {}) as { name?: unknown };
  return typeof name === "string" && name.length <= 128 ? name : undefined;
};

/** Runs one exchange: it ends by the signal, or when its answer cannot be taken. @throws ToolError */
async function exchanging<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const unacceptable = new AbortController();
  const either = AbortSignal.any([signal, unacceptable.signal]);
  try {
    return await exchange.run({ signal: either, fail: (it) => unacceptable.abort(it) }, () => work(either));
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
    const network = mcpNetwork(target.url.hostname, target.network);
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
    await exchanging(AbortSignal.timeout(LIST_TIMEOUT_MS), async (signal) => {
      let cursor: string | undefined;
      for (let pages = 0; pages < MAX_PAGES; pages++) {
        const params = cursor === undefined ? {} : { cursor };
        const found = await this.#client.request({ method: "tools/list", params }, page, { signal });
        for (const tool of found.tools) take(listing, tool, isWanted);
        cursor = found.nextCursor;
        if (cursor === undefined) return;
      }
      throw new ToolError(`the server's list of tools has more than ${MAX_PAGES} pages`);
    }).catch((error) => {
      throw explained(error);
    });
    return listing;
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

function take({ wanted, names }: Listing, tool: unknown, isWanted: (name: string) => boolean): void {
  const name = nameOf(tool);
  if (name === undefined) return;
  const size = JSON.stringify(tool).length;
  const bounded = size > MAX_TOOL_CHARS ? new Error(`its definition has ${size} characters`) : tool;
  if (isWanted(name)) wanted.set(name, bounded);
  else if (names.length < MAX_NAMES) names.push(name);
}
