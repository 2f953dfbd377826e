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
  readonly #url: URL;
  readonly #head: string;
  #socket: Socket | undefined;
  #waiting: Waiting | undefined;
  #text = "";
  #closed = false;

  /** @param headers go with every request, each as `name: value` */
  constructor(url: string, headers: string[]) {
    this.#url = new URL(url);
    this.#head = [`host: ${this.#url.host}`, ...headers].join("\r\n");
  }

  /** @throws Error when the connection breaks; the answer's status is the caller's to judge */
  request(method: string, path: string, body: string, more = ""): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new Error("the client is closed"));
      this.#waiting = { resolve, reject };
      const length = Buffer.byteLength(body);
      this.#socket ??= this.#connect();
      this.#socket.write(
        `${method} ${path} HTTP/1.1\r\n${this.#head}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n${more}\r\n${body}`,
      );
    });
  }

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
  }

  #connect(): Socket {
    const socket = connect({ host: this.#url.hostname, port: Number(this.#url.port), noDelay: true });
    // Byte by byte: lengths on the wire are in bytes. What is looked for is ASCII.
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => this.#heard(chunk as unknown as string));
    socket.on("error", (error) => this.#lost(socket, error));
    socket.on("close", () => this.#lost(socket, new Error("the agent closed the connection")));
    return socket;
  }

  /** A server closes connections that are idle for some seconds: the next request gets another. */
  #lost(socket: Socket, error: Error): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#text = "";
    this.#waiting?.reject(error);
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
