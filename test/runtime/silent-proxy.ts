import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import type { ConnectionSettings } from "../../src/database/connection.ts";

/** A way to the database that can begin to swallow all that comes by the connections there are, while new ones work. */
export class SilentProxy {
  readonly connection: ConnectionSettings;
  readonly #close: () => void;
  readonly #sockets: Socket[] = [];
  #silent: Socket[] = [];

  private constructor(connection: ConnectionSettings, close: () => void) {
    this.connection = connection;
    this.#close = close;
  }

  static async to(target: ConnectionSettings): Promise<SilentProxy> {
    const server = createServer((here) => proxy.#join(here, connect(target.port, target.host)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const proxy = new SilentProxy({ ...target, port }, () => server.close());
    return proxy;
  }

  #join(here: Socket, there: Socket): void {
    this.#sockets.push(here, there);
    for (const it of [here, there]) it.on("error", () => {});
    here.on("data", (it) => there.write(it)).on("close", () => there.destroy());
    there.on("data", (it) => here.write(it)).on("close", () => here.destroy());
  }

  /** How many connections have been opened in all. */
  get opened(): number {
    return this.#sockets.length / 2;
  }

  /** What comes by the connections there are is taken, and gone. */
  fallSilent(): void {
    this.#silent = [...this.#sockets];
    for (const it of this.#silent) {
      for (const event of ["data", "close"]) it.removeAllListeners(event);
      it.on("data", () => {});
    }
  }

  /** Those that fell silent break, as they do in the end. */
  breakSilent(): void {
    for (const it of this.#silent) it.destroy();
  }

  close(): void {
    for (const it of this.#sockets) it.destroy();
    this.#close();
  }
}
