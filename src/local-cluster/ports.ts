import { createServer } from "node:net";

async function freePort(): Promise<{ port: number; release: () => Promise<void> }> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(0, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  const release = () => new Promise<void>((done) => server.close(() => done()));
  return { port: typeof address === "object" && address ? address.port : 0, release };
}

/** Ports of loopback that are free right now, all different. Another process may still be quicker. */
export async function freePorts(count: number): Promise<number[]> {
  const held = await Promise.all(Array.from({ length: count }, freePort));
  await Promise.all(held.map((each) => each.release()));
  return held.map((each) => each.port);
}
