import { createServer, type AddressInfo } from "node:net";
import { PortForward } from "@kubernetes/client-node";
import type { PooledKubeConfig } from "./kube-config.ts";

/** A port of this machine (127.0.0.1) that leads to a port of a pod, through the API server. */
export interface ForwardedPort {
  port: number;
  close(): Promise<void>;
}

/** Forwards until `close`. Each connection is its own stream, so a broken one harms no other. */
export async function forwardPort(
  config: PooledKubeConfig,
  namespace: string,
  pod: string,
  targetPort: number,
): Promise<ForwardedPort> {
  const forward = new PortForward(config);
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    forward.portForward(namespace, pod, [targetPort], socket, null, socket).then(
      (connection) => {
        const webSocket = typeof connection === "function" ? connection() : connection;
        webSocket?.addEventListener("close", () => socket.end());
        socket.on("close", () => webSocket?.close());
      },
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve());
  });
  const open = new Set<import("node:net").Socket>();
  server.on("connection", (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
