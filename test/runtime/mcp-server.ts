import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { McpServer, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import type { HttpNetwork } from "../../src/runtime/tools/http.ts";
import { makeCertificates } from "../support/postgres.ts";

export const MCP_HOST = "mcp.example.com";

export const bodyOf = (request: IncomingMessage): Promise<string> => text(request);

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A Model Context Protocol server over https: the official SDK's, with sessions; it may be told to misbehave. */
export class TestMcpServer {
  readonly network: HttpNetwork;
  /** Makes the server of each session. */
  tools: (server: McpServer) => void = () => {};
  /** Answers in the server's place, when it is there. */
  instead: Answer | undefined;
  /** When it is there, the only bearer token that is let in. */
  bearer: string | undefined;
  /** Answers that nobody waited for. */
  givenUp = 0;
  readonly requests: { method: string; body: string }[] = [];
  #sessions = new Map<string, { server: McpServer; transport: WebStandardStreamableHTTPServerTransport }>();
  #http: Server;
  readonly #port: number;

  private constructor(http: Server, ca: string) {
    this.#http = http;
    this.#port = (http.address() as AddressInfo).port;
    this.network = {
      ca,
      port: this.#port,
      resolve: async () => [{ address: "127.0.0.1", family: 4 }],
      isAllowedAddress: (it) => it.endsWith("127.0.0.1"),
    };
  }

  static async start(): Promise<TestMcpServer> {
    const { ca, cert, key } = await makeCertificates([MCP_HOST]);
    const http = createServer({ cert, key });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const it = new TestMcpServer(http, ca);
    http.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const { authorization } = request.headers;
      if (it.bearer && authorization !== `Bearer ${it.bearer}`) response.writeHead(401).end();
      else if (it.instead) it.instead(request, response);
      else void it.#answer(request, response).catch(() => response.destroy());
    });
    return it;
  }

  get servers(): McpServer[] {
    return [...this.#sessions.values()].map(({ server }) => server);
  }

  /** As after a restart: no session is known. */
  forgetSessions(): void {
    this.#sessions.clear();
  }

  async goDown(): Promise<void> {
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }
  async comeUp(): Promise<void> {
    await new Promise<void>((resolve) => this.#http.listen(this.#port, "127.0.0.1", resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const method = request.method ?? "GET";
    this.requests.push({ method, body });
    response.on("close", () => void (this.givenUp += method === "POST" && !response.writableFinished ? 1 : 0));
    const headers = new Headers(request.headers as Record<string, string>);
    const web = new Request(`https://${MCP_HOST}/mcp`, { method, headers, ...(body ? { body } : {}) });
    const id = headers.get("mcp-session-id");
    const session = id ? this.#sessions.get(id) : await this.#open();
    if (!session) return void response.writeHead(404).end("no such session at /srv/secret-path");
    const answer = await session.transport.handleRequest(web);
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.flushHeaders();
    if (answer.body) await pipeline(Readable.fromWeb(answer.body as never), response);
    else response.end();
  }

  async #open() {
    const server = new McpServer({ name: "wiki", version: "1" });
    this.tools(server);
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void this.#sessions.set(id, { server, transport }),
    });
    await server.connect(transport);
    return { server, transport };
  }

  async stop(): Promise<void> {
    await this.goDown();
  }
}
