import { connect, type Socket } from "node:net";

export interface Answer {
  status: number;
  body: string;
  /** Seconds, when the server says when to try again. */
  retryAfter?: number;
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** HTTP/1.1 over one connection that is kept, one request at a time: the least that a client can cost, so that it is not what is measured. */
export class PlainClient {
  readonly #socket: Socket;
  readonly #head: string;
  #waiting: Waiting | undefined;
  #text = "";
  #broken: Error | undefined;

  /** @param headers go with every request, each as `name: value` */
  constructor(url: string, headers: string[]) {
    const { hostname, port, host } = new URL(url);
    this.#head = [`host: ${host}`, ...headers].join("\r\n");
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    // Byte by byte: lengths on the wire are in bytes. What is looked for is ASCII.
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (chunk) => this.#heard(chunk as unknown as string));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("the agent closed the connection")));
  }

  /** @throws Error when the connection breaks; the answer's status is the caller's to judge */
  request(method: string, path: string, body: string, more = ""): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#broken) return reject(this.#broken);
      this.#waiting = { resolve, reject };
      const length = Buffer.byteLength(body);
      this.#socket.write(
        `${method} ${path} HTTP/1.1\r\n${this.#head}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n${more}\r\n${body}`,
      );
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #fail(error: Error): void {
    this.#broken ??= error;
    this.#waiting?.reject(this.#broken);
    this.#waiting = undefined;
  }

  #heard(chunk: string): void {
    this.#text += chunk;
    const answer = parseAnswer(this.#text);
    if (!answer) return;
    this.#text = "";
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(answer);
  }
}

/** An answer that is there in full; chunked (its end is known by the empty chunk), or of a known length. */
export function parseAnswer(text: string): Answer | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = text.slice(0, end).toLowerCase();
  const status = Number(head.slice(9, 12));
  const start = end + 4;
  const wait = /\r\nretry-after: (\d+)/.exec(head)?.[1];
  const more = wait ? { retryAfter: Number(wait) } : {};
  if (head.includes("transfer-encoding: chunked")) {
    // No chunk of ours holds this by itself: JSON and event streams are written without a carriage return.
    return text.endsWith("\r\n0\r\n\r\n") || text.startsWith("0\r\n\r\n", start)
      ? { status, body: text.slice(start), ...more }
      : undefined;
  }
  const length = Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
  return text.length >= start + length ? { status, body: text.slice(start, start + length), ...more } : undefined;
}
