import { AsyncLocalStorage } from "node:async_hooks";
import { Agent, fetch, Response, type RequestInit } from "undici";
import { checkedUrl } from "../http-address.ts";
import { connector, type HttpNetwork } from "../http.ts";
import { RetryTool, ToolError } from "../tool.ts";

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Of the stream on which a server tells its news; it is opened anew when it was more. */
const MAX_NEWS_BYTES = 1024 * 1024;
/** Requests under way: a server that asks us without end cannot fill the memory with our answers. */
const MAX_REQUESTS = 256;

/** The exchange that a request is part of: what ends it, and how to end it at once when its answer cannot be taken. */
export interface Exchange {
  signal: AbortSignal;
  /** Bytes that may still be read in it; nothing: as many as one answer may have. */
  left?: number;
  fail(error: Error): void;
}
export const exchange = new AsyncLocalStorage<Exchange>();

function limited(response: Response, maxBytes: number, own: Exchange | undefined): Response {
  if (!response.body) return response;
  let size = 0;
  const limit = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      size += chunk.length;
      if (own?.left !== undefined) own.left -= chunk.length;
      if (size <= maxBytes && (own?.left ?? 0) >= 0) return controller.enqueue(chunk);
      const error = new ToolError(
        size > maxBytes ? `the server's answer is larger than ${maxBytes} bytes` : "the server's answers are too large",
      );
      own?.fail(error);
      controller.error(error);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(limit as never), { status, statusText, headers });
}

/** Whether the request belongs to one exchange; the server's news outlive the exchange in which they were asked for. */
const isOwn = ({ method, headers }: RequestInit): boolean =>
  method === "POST" || (method === "GET" && (headers as unknown as Headers).has("last-event-id"));

/**
 * https to one host, by the rules of the http tool: each address is looked at, redirects are refused, answers are bounded.
 * @param token what each request carries; asked anew for each
 */
export function mcpNetwork(host: string, network: HttpNetwork, token: () => string | undefined) {
  // Calls have their own time limits, and a server may have no news for hours.
  const times = { headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 1000 };
  const dispatcher = new Agent({ connect: connector(network) as never, connections: 64, ...times });
  let underWay = 0;

  async function send(input: string | URL, init: RequestInit): Promise<Response> {
    const url = checkedUrl(String(input), undefined, [host]);
    const own = isOwn(init) ? exchange.getStore() : undefined;
    const signals = [init.signal, own?.signal].filter(
      (it) => it instanceof AbortSignal && !it.aborted,
    ) as AbortSignal[];
    if (init.signal?.aborted) throw init.signal.reason;
    const headers = new Headers(init.headers);
    const bearer = token();
    if (bearer) headers.set("authorization", `Bearer ${bearer}`);
    const options = { ...init, headers: Object.fromEntries(headers), signal: AbortSignal.any(signals) };
    const response = await fetch(url, { ...options, redirect: "manual", dispatcher });
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      throw new ToolError(`the server redirects (HTTP ${response.status}), which is not followed: correct mcp.url`);
    }
    const maxBytes = init.method === "GET" && !own ? MAX_NEWS_BYTES : MAX_ANSWER_BYTES;
    return limited(response, maxBytes, own);
  }

  async function boundedFetch(input: string | URL, init: RequestInit = {}): Promise<Response> {
    if (underWay >= MAX_REQUESTS) throw new RetryTool("too many requests to the server are under way");
    underWay++;
    try {
      return await send(input, init);
    } finally {
      underWay--;
    }
  }
  return { fetch: boundedFetch as unknown as typeof globalThis.fetch, close: () => dispatcher.destroy() };
}
