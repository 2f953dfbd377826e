import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { answerMalformed } from "./http/malformed.ts";

export interface Listening {
  port: number;
  server: Server;
  /** From now on each answer ends its connection, so that its caller's next request goes to another process. */
  leave(): void;
  /** Takes no more connections; those in use get so many milliseconds. */
  close(graceMs: number): Promise<void>;
}

/**
 * @param leaveSeconds for how long it goes on after `leave`. Callers are told to keep no connection unused for so long: one that is
 *   closed in the moment of its next use fails a request. Proxies that do not listen to that keep theirs as before.
 */
export async function listen(app: RequestListener, port: number, host: string, leaveSeconds = 0): Promise<Listening> {
  const server = createServer(app);
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
