import { once } from "node:events";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { Agent, request } from "undici";
import type { ToolSpec } from "../../api/agent.ts";
import { checkedUrl, isPublicAddress, publicAddressOf, type Resolve, systemResolve } from "./http-address.ts";
import { tlsProblem } from "./tls-problem.ts";
import { capped, type LocalTool, type ToolCall, ToolError, type ToolOutcome } from "./tool.ts";

const MAX_REDIRECTS = 3;
const CONNECT_TIMEOUT_MS = 10_000;
const MAX_BODY_BYTES = 1024 * 1024;
const FORBIDDEN_HEADERS =
  /^(host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|expect|forwarded|x-forwarded-.*|x-real-ip|cookie)$/i;

/** What a test puts in the place of the network. */
export interface HttpNetwork {
  resolve: Resolve;
  isAllowedAddress: (address: string) => boolean;
  /** A CA beside the system's. */
  ca?: string;
  port?: number;
}
export const INTERNET: HttpNetwork = { resolve: systemResolve, isAllowedAddress: isPublicAddress };

export const HTTP_INPUT_SCHEMA = (methods: string[]) => ({
  type: "object",
  properties: {
    method: { type: "string", enum: methods, description: `Default: ${methods[0]}.` },
    url: { type: "string", description: "An https URL." },
    headers: { type: "object", additionalProperties: { type: "string" } },
    body: { type: "string" },
  },
  required: ["url"],
  additionalProperties: false,
});

interface HttpInput {
  method?: string;
  url: string;
  headers?: Record<string, string>;
  body?: string;
}

/**
 * The connection itself decides: the name is resolved here, every address is looked at, and the socket goes to the address that
 * was looked at, so a second answer of the name server cannot lead elsewhere.
 */
export function connector(network: HttpNetwork) {
  return (
    options: { hostname: string; port?: string; servername?: string },
    done: (error: Error | null, socket: TLSSocket | null) => void,
  ): void => {
    const host = options.hostname.replace(/\.$/, "").toLowerCase();
    const port = network.port ?? Number(options.port || 443);
    void securely(host, port, network).then(...settle(done));
  };
}

/** How a promise answers a callback. */
const settle = (
  done: (error: Error | null, socket: TLSSocket | null) => void,
): [(socket: TLSSocket) => void, (error: Error) => void] => [
  (socket) => done(null, socket),
  (error) => done(error, null),
];

async function securely(host: string, port: number, network: HttpNetwork): Promise<TLSSocket> {
  const address = await publicAddressOf(host, network.resolve, network.isAllowedAddress);
  const socket = connectTls({
    host: address,
    port,
    servername: host,
    minVersion: "TLSv1.2",
    rejectUnauthorized: true, // whatever NODE_TLS_REJECT_UNAUTHORIZED says
    ALPNProtocols: ["http/1.1"],
    ...(network.ca ? { ca: network.ca } : {}),
  });
  await once(socket, "secureConnect", { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) }).catch((cause) => {
    socket.on("error", () => {}).destroy();
    const problem = tlsProblem(host, (cause as { code?: string }).code);
    throw problem === undefined ? cause : new ToolError(problem, { cause });
  });
  if (network.isAllowedAddress(socket.remoteAddress ?? "")) return socket;
  socket.destroy();
  throw new ToolError(`the host ${host} resolves to an address that may not be called`);
}

function checkedHeaders(headers: Record<string, string> = {}): Record<string, string> {
  const bad = Object.keys(headers).find((name) => FORBIDDEN_HEADERS.test(name));
  if (bad) throw new ToolError(`the header ${bad} may not be set`);
  return { accept: "*/*", "user-agent": "agentpg", ...headers };
}

async function bodyText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new ToolError(`the answer is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The next request after a redirect; other hosts get no headers of the caller's (they may be credentials). */
function redirected(input: HttpInput, from: URL, to: URL, status: number): HttpInput {
  const keepsBody = status === 307 || status === 308;
  const headers = from.host === to.host ? input.headers : {};
  const method = keepsBody || input.method === "HEAD" ? input.method : "GET";
  return {
    url: to.href,
    ...(headers ? { headers } : {}),
    ...(method ? { method } : {}),
    ...(keepsBody && input.body ? { body: input.body } : {}),
  };
}

async function send(
  input: HttpInput,
  http: NonNullable<ToolSpec["http"]>,
  agent: Agent,
  call: ToolCall,
): Promise<ToolOutcome> {
  let next = input;
  let url = checkedUrl(next.url, undefined, http.allowedHosts);
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const method = next.method ?? http.methods[0] ?? "GET";
    if (!(http.methods as string[]).includes(method)) throw new ToolError(`the method ${method} is not allowed`);
    const { statusCode, headers, body } = await request(url, {
      method: method as "GET",
      headers: { ...checkedHeaders(next.headers), "idempotency-key": call.idempotencyKey },
      body: next.body ?? null,
      dispatcher: agent,
      signal: call.signal,
    });
    const location = headers.location;
    if (statusCode < 300 || statusCode > 399 || typeof location !== "string") {
      const type = String(headers["content-type"] ?? "");
      return {
        output: capped(JSON.stringify({ status: statusCode, contentType: type, body: await bodyText(body) })),
        isError: statusCode >= 400,
      };
    }
    await body.dump().catch(() => {});
    const to = checkedUrl(location, url, http.allowedHosts);
    next = redirected(next, url, to, statusCode);
    url = to;
  }
  throw new ToolError(`more than ${MAX_REDIRECTS} redirects`);
}

/** https calls to named hosts. No proxy of the environment is used; every hop is checked. */
export function httpTool(http: NonNullable<ToolSpec["http"]>, network: HttpNetwork = INTERNET): LocalTool {
  const agent = new Agent({
    connect: connector(network) as never,
    headersTimeout: 30_000,
    bodyTimeout: 30_000,
    keepAliveTimeout: 1000,
    maxResponseSize: MAX_BODY_BYTES + 1,
  });
  return {
    kind: "http",
    async execute(call) {
      try {
        return await send(call.input as unknown as HttpInput, http, agent, call);
      } catch (error) {
        if (error instanceof ToolError || call.signal.aborted) throw error;
        const { code } = error as { code?: string };
        throw new ToolError(`the call failed (${code ?? "no connection"})`, { cause: error });
      }
    },
  };
}
