import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { ServedCertificate } from "../process/served-certificate.ts";
import type { Watched } from "../process/watched.ts";
import { answerMalformed, withHost } from "./http/malformed.ts";

export interface Listening {
  port: number;
  server: Server;
  /** From now on each answer ends its connection, so that its caller's next request goes to another process. */
  leave(): void;
  /** Takes no more connections; those in use get so many milliseconds. */
  close(graceMs: number): Promise<void>;
}

const HTTP = { requireHostHeader: false } as const; // `withHost` says what is missing

/** Shows the certificate as it is when a connection begins; those that are there go on. */
function tlsServer(app: RequestListener, certificate: Watched<ServedCertificate>): Server {
  const { value } = certificate;
  if (!value) throw new Error("there is no certificate to serve with", { cause: certificate.problem });
  const options = { minVersion: "TLSv1.3" } as const; // both ends are this program
  const server = createTlsServer({ ...HTTP, ...options, ...value }, app);
  certificate.onChange((now) => server.setSecureContext({ ...options, ...now }));
  return server;
}

/**
 * @param certificate to serve TLS with, and nothing else; left out: plain HTTP
 * @param leaveSeconds for how long it goes on after `leave`. Callers are told to keep no connection unused for so long: one that is
 *   closed in the moment of its next use fails a request. Proxies that do not listen to that keep theirs as before.
 */
export async function listen(
  app: RequestListener,
  port: number,
  host: string,
  leaveSeconds = 0,
  certificate?: Watched<ServedCertificate>,
): Promise<Listening> {
  const server = certificate ? tlsServer(withHost(app), certificate) : createServer(HTTP, withHost(app));
  server.requestTimeout = 60_000;
  server.headersTimeout = 20_000;
  server.keepAliveTimeout = 75_000; // longer than a proxy's, so that the proxy closes first
  answerMalformed(server);
  let leaving = false;
  server.prependListener("request", (_request, response) => {
    if (leaving) response.setHeader("connection", "close");
    else if (leaveSeconds > 1 && response.shouldKeepAlive) {
      response.setHeader("connection", "keep-alive");
      response.setHeader("keep-alive", `timeout=${leaveSeconds - 1}`);
    }
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  return {
    server,
    port: (server.address() as AddressInfo).port,
    leave() {
      leaving = true;
    },
    async close(graceMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}
