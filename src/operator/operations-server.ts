import { createServer, type Server } from "node:http";
import type { Registry } from "prom-client";

const listen = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, () => resolve());
  });

const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

/** `/livez` and `/readyz` on one port, `/metrics` on another. Ready means that the caches can be believed. */
export async function serveOperations(options: {
  registry: Registry;
  healthPort: number;
  metricsPort: number;
  ready: () => boolean;
  /** Hears of each time that the metrics are collected. */
  onScrape?: () => void;
}): Promise<{ close(): Promise<void> }> {
  const health = createServer((request, response) => {
    if (request.url === "/livez") return void response.writeHead(200).end("ok");
    if (request.url !== "/readyz") return void response.writeHead(404).end();
    const ready = options.ready();
    response.writeHead(ready ? 200 : 503).end(ready ? "ok" : "the watches are not up to date");
  });
  const metrics = createServer((request, response) => {
    if (request.url !== "/metrics") return void response.writeHead(404).end();
    options.onScrape?.();
    options.registry.metrics().then(
      (text) => response.writeHead(200, { "content-type": options.registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await Promise.all([listen(health, options.healthPort), listen(metrics, options.metricsPort)]);
  return { close: async () => void (await Promise.all([close(health), close(metrics)])) };
}
