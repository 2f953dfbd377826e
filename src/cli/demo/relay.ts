import { createServer, request as plainRequest } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";

/**
 * Carries the agents' model calls from a cluster without a way out to the real Messages API, for the demo with a real key.
 * It listens on this machine's end of the cluster's own network only. The last hop is TLS.
 */
export async function startRelay(
  address: string,
  target = "https://api.anthropic.com",
): Promise<{ port: number; close(): Promise<void> }> {
  const to = new URL(target);
  const send = to.protocol === "https:" ? request : plainRequest;
  const server = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, host: to.host };
    const onward = send(
      { host: to.hostname, port: to.port, path: incoming.url, method: incoming.method, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on("error", () => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(502).end()));
    outgoing.on("close", () => onward.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, address, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
