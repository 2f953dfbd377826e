import type { Socket } from "node:net";
import type { ClientBase } from "pg";

const socketOf = (client: ClientBase): Socket =>
  (client as unknown as { connection: { stream: Socket } }).connection.stream;

/** Closes the connection without a word to a server that may not be there any more, and so without waiting for it. */
export const hangUp = (client: ClientBase): void => void socketOf(client).destroy();

/** To all that a lost connection looks like, this is one: what was sent may have been done. */
const silent = (ms: number): Error =>
  Object.assign(new Error(`the server said nothing for ${Math.round(ms / 1000)} s`), { code: "ETIMEDOUT" });

/**
 * Tells connections of one pool that fell silent: the server's machine died, or something on the way drops all packets. The kernel
 * tries for a quarter of an hour before it says so.
 */
export class Silence {
  readonly #heardAt = new WeakMap<ClientBase, number>();
  #fellSilentAt = -Infinity;

  /** The server answered on this connection just now. */
  heard(client: ClientBase): void {
    this.#heardAt.set(client, performance.now());
  }

  /** Whether another connection has got no answer since something was heard on this one: it is probably as dead. */
  isFeared(client: ClientBase): boolean {
    return (this.#heardAt.get(client) ?? 0) <= this.#fellSilentAt;
  }

  /** Breaks the connection when `work` waits and nothing comes for so many milliseconds; then `work` fails with it, as ETIMEDOUT. */
  async limit<T>(client: ClientBase, ms: number, work: () => Promise<T>): Promise<T> {
    const socket = socketOf(client);
    const begun = performance.now();
    let read = socket.bytesRead;
    const timer = setInterval(() => {
      const before = read;
      read = socket.bytesRead;
      if (read !== before) return;
      this.#fellSilentAt = Math.max(this.#fellSilentAt, begun);
      socket.destroy(silent(ms));
    }, ms);
    try {
      const result = await work();
      this.heard(client);
      return result;
    } finally {
      clearInterval(timer);
    }
  }
}
