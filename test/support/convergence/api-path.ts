import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** The way of one operator to the API server. */
export interface ApiPath {
  port: number;
  /** What is connected now stays so, and nothing comes through any more: as when a firewall forgot a connection. New ones are fine. */
  swallow(): void;
  /** `swallow`: new connections open, and nothing comes through them either. `refuse`: all are cut, none opens. */
  set(state: "open" | "swallow" | "refuse"): void;
  close(): Promise<void>;
}

interface Pair {
  near: Socket;
  far: Socket;
  swallowed: boolean;
}

export async function apiPath(upstreamPort: number): Promise<ApiPath> {
  const pairs = new Set<Pair>();
  let state: "open" | "swallow" | "refuse" = "open";
  const end = (pair: Pair) => {
    pairs.delete(pair);
    pair.near.destroy();
    pair.far.destroy();
  };
  const server = createServer((near) => {
    if (state === "refuse") return void near.resetAndDestroy();
    const far = connect(upstreamPort, "127.0.0.1");
    const pair = { near, far, swallowed: state === "swallow" };
    pairs.add(pair);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (chunk) => void (pair.swallowed || to.write(chunk)));
      from.on("error", () => end(pair));
      from.on("close", () => pair.swallowed || end(pair));
    }
    near.on("close", () => end(pair));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const swallow = () => {
    for (const pair of pairs) pair.swallowed = true;
  };
  return {
    port: (server.address() as AddressInfo).port,
    swallow,
    set(next) {
      if (next === "swallow") swallow();
      if (next === "refuse") for (const pair of pairs) end(pair);
      state = next;
    },
    async close() {
      for (const pair of pairs) end(pair);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
