import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Caches } from "../caches.ts";
import type { OperatorConfig } from "../config.ts";
import type { DatabaseServers } from "../databases/servers.ts";
import type { KeyProvider } from "../encryption/key-provider.ts";
import { answerApi, type ApiParts, sendProblem } from "./api.ts";
import { approvalRoutes } from "./approvals.ts";
import { auditRoutes } from "./audit.ts";
import { keepCertificate } from "./certificate.ts";
import { SECURITY_HEADERS } from "./headers.ts";
import { Identities } from "./identity.ts";
import { LoginLimit } from "./login-limit.ts";
import { Page } from "./page.ts";
import { asProblem, Problem } from "./problem.ts";
import { Rights } from "./rights.ts";
import { SessionKey } from "./session-key.ts";
import { sessionRoutes } from "./sessions.ts";
import { SignIn } from "./sign-in.ts";
import { TenantData } from "./tenant-data.ts";
import { tenantRoutes } from "./tenants.ts";
import { transcriptRoutes } from "./transcript.ts";
import { usageRoutes } from "./usage.ts";

/** OIDC tokens of people in many groups are long. */
const MAX_HEADER_BYTES = 32_768;
const MAX_CONNECTIONS = 500;

export interface ConsoleOptions {
  config: OperatorConfig["console"];
  /** The operator's own. */
  namespace: string;
  client: KubernetesClient;
  caches: Caches;
  databases: DatabaseServers;
  keyProvider: KeyProvider | undefined;
  logger: Logger;
}

export interface ConsoleServer {
  port: number;
  close(): Promise<void>;
}

/** The web console: a page, and below `/api` what it shows. Every replica serves it; it needs no leader (docs/console.md). */
export async function serveConsole(options: ConsoleOptions): Promise<ConsoleServer> {
  const { config, logger } = options;
  const page = new Page(config.pageDir);
  const parts = apiParts(options);
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    answer(page, parts, request, response).catch((error: unknown) => {
      const problem = asProblem(error);
      if (problem.status >= 500) logger.warn({ err: error, method: request.method }, "a request to the console failed");
      if (response.headersSent) return void response.destroy();
      sendProblem(response, problem);
    });
  };
  const limits = { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: 30_000, headersTimeout: 10_000 };
  const secure =
    config.tlsDir === undefined ? undefined : createTlsServer({ ...limits, minVersion: "TLSv1.2" }, listener);
  const release = secure && (await keepCertificate(secure, config.tlsDir ?? "", logger));
  const server = secure ?? createServer(limits, listener);
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(config.port);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      release?.();
      await closed(server, () => server.closeAllConnections());
    },
  };
}

const closed = (server: Server, drop: () => void): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    drop();
  });

function apiParts({ config, namespace, client, caches, databases, keyProvider }: ConsoleOptions): ApiParts {
  const rights = new Rights(client);
  const data = new TenantData(caches, databases, keyProvider);
  const signIn = new SignIn({
    identities: new Identities(client),
    key: new SessionKey(client, namespace, config.sessionSecret),
    limit: new LoginLimit(),
    sessionSeconds: config.sessionMinutes * 60,
  });
  const routes = [
    ...tenantRoutes(caches, rights, (name) => data.tenant(name)),
    ...usageRoutes(data),
    ...sessionRoutes(data),
    ...transcriptRoutes(data),
    ...approvalRoutes(data),
    ...auditRoutes(data),
  ];
  return { caches, rights, signIn, routes };
}

async function answer(page: Page, parts: ApiParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = URL.parse(request.url ?? "/", "http://console");
  if (!url) throw new Problem(400, "malformed-request", "the address is not well formed");
  if (url.pathname === "/api" || url.pathname.startsWith("/api/")) return answerApi(parts, url, request, response);
  if (request.method !== "GET" && request.method !== "HEAD")
    throw new Problem(405, "method-not-allowed", "this address takes another method", undefined, {
      allow: "GET, HEAD",
    });
  page.serve(url.pathname, request, response);
}
