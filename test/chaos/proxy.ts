import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** What can be done to the connections that lead somewhere. `freeze`: nothing comes through, but they stay open. */
export type Cut = "reset" | "refuse" | "freeze";

/** A way to a server that can be cut. */
export interface Path {
  port: number;
  /** Cuts it, and lets it through again after `ms`. */
  cut(how: Cut, ms: number): Promise<void>;
  close(): Promise<void>;
}

/** A path through this process. */
export async function ownPath(upstreamPort: number): Promise<Path> {
  const pairs = new Set<[Socket, Socket]>();
  let state: Cut | "open" = "open";
  const drop = () => {
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
    pairs.clear();
  };
  const server = createServer((near) => {
    if (state === "reset" || state === "refuse") return void near.resetAndDestroy();
    const far = connect(upstreamPort, "127.0.0.1");
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near]] as const) {
      from.on("data", (chunk) => void (to.write(chunk) || from.pause()));
      to.on("drain", () => state === "freeze" || from.resume());
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
      from.on("close", () => (to.destroy(), pairs.delete(pair)));
      if (state === "freeze") from.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async cut(how, ms) {
      state = how;
      if (how === "freeze") for (const socket of [...pairs].flat()) socket.pause();
      else drop();
      await new Promise((resolve) => setTimeout(resolve, ms));
      state = "open";
      for (const socket of [...pairs].flat()) socket.resume();
    },
    async close() {
      drop();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
