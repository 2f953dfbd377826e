import type { IncomingMessage } from "node:http";
import { Refused } from "./refusal.ts";

/** The Messages API takes 32 MB; a batch of the runtime is as much, and a little around it. */
export const MOST_BODY_BYTES = 34 * 1024 * 1024;
/** Of all calls together that wait or are being read: what the memory of the pod holds, with what is made of them. */
const MOST_AT_ONCE_BYTES = 48 * 1024 * 1024;

/** Reads the bodies of calls, no more at a time than the memory holds. */
export class Bodies {
  readonly #most: number;
  readonly #mostAtOnce: number;
  #held = 0;

  constructor(most = MOST_BODY_BYTES, mostAtOnce = MOST_AT_ONCE_BYTES) {
    this.#most = most;
    this.#mostAtOnce = mostAtOnce;
  }

  /**
   * What `use` gives for the whole body as a text.
   * @throws Refused when it is too large, or there is no room for it now
   */
  async with<T>(req: IncomingMessage, use: (text: string) => Promise<T>): Promise<T> {
    let bytes = 0;
    try {
      const chunks: Buffer[] = [];
      if (Number(req.headers["content-length"] ?? 0) > this.#most) throw this.#tooLarge();
      // What is not read of a refused body is thrown away, so that the refusal can be read.
      for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        this.#held += chunk.length;
        if (bytes > this.#most) throw this.#tooLarge();
        if (this.#held > this.#mostAtOnce)
          throw new Refused("busy", "the key broker has as many calls under way as its memory holds");
        chunks.push(chunk);
      }
      return await use(Buffer.concat(chunks).toString("utf8"));
    } finally {
      this.#held -= bytes;
    }
  }

  #tooLarge(): Refused {
    return new Refused("body-size", `the request is larger than ${this.#most} bytes`);
  }
}
