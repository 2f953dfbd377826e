import { Agent, buildConnector, type Dispatcher } from "undici";
import type { Watched } from "../../process/watched.ts";

type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Chunks of a body that are not read yet, in bytes, before the connection is told to wait. */
const AHEAD_BYTES = 256 * 1024;
/** More than any answer has that is read at once. */
const MOST_BYTES = 32 * 1024 * 1024;
/** More than any answer has that is a line of a batch's results. */
const MOST_LINE_BYTES = 8 * 1024 * 1024;
/** A file of results that is silent for so long is given up. */
const FILE_STALL_MS = 30_000;

/** A body as the chunks of its socket, without a stream in between. */
class Body implements AsyncIterable<Buffer> {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;

  start(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
  }
  push(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > AHEAD_BYTES) controller.pause();
    this.#wake?.();
  }
  end(error?: Error): void {
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#bytes -= chunk.length;
        if (this.#controller?.paused && this.#bytes < AHEAD_BYTES / 2) this.#controller.resume();
        yield chunk;
        continue;
      }
      if (this.#error) throw this.#error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
  }

  /** Whole lines (the SDK looks through what it has of a line with each chunk); whoever stops reading gives the rest up. */
  async *lines(): AsyncGenerator<Buffer> {
    let begun: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of this) {
        const end = chunk.lastIndexOf("\n") + 1;
        if (end > 0) {
          yield Buffer.concat([...begun, chunk.subarray(0, end)]);
          begun = [];
          bytes = 0;
        }
        begun.push(chunk.subarray(end));
        bytes += chunk.length - end;
        if (bytes > MOST_LINE_BYTES) throw new Error(`a line of the answer has more than ${MOST_LINE_BYTES} bytes`);
      }
      yield Buffer.concat(begun);
    } finally {
      if (!this.#ended) this.#controller?.abort(new Error("nobody reads on"));
    }
  }

  async text(): Promise<string> {
    const all: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of this) {
      bytes += chunk.length;
      if (bytes > MOST_BYTES) {
        this.#controller?.abort(new Error("the answer is too large"));
        throw new Error(`the answer has more than ${MOST_BYTES} bytes`);
      }
      all.push(chunk);
    }
    return Buffer.concat(all).toString("utf8");
  }
}

interface Answer {
  status: number;
  /** By their names in lower case. */
  headers: Map<string, string>;
  body: Body;
}

function headersOf(raw: Record<string, string | string[] | undefined>): Map<string, string> {
  const headers = new Map<string, string>();
  for (const name in raw) if (raw[name] !== undefined) headers.set(name, String(raw[name]));
  return headers;
}

interface Sent {
  isFile: boolean;
  /** Names and values in turn. */
  list: string[];
}

/** Headers as undici takes them; those that many requests share are turned once. */
const sentHeaders = new WeakMap<Headers, Sent>();
function toSend(headers: Headers): Sent {
  const known = sentHeaders.get(headers);
  if (known) return known;
  const sent = { isFile: headers.get("accept") === "application/binary", list: [...headers].flat() };
  sentHeaders.set(headers, sent);
  return sent;
}

/** @throws as undici does, and the signal's reason */
function dispatch(agent: Agent, options: Dispatcher.DispatchOptions, signal: AbortSignal | null): Promise<Answer> {
  const body = new Body();
  return new Promise((resolve, reject) => {
    let abort = () => {};
    const over = () => signal?.removeEventListener("abort", abort);
    agent.dispatch(options, {
      onRequestStart(controller) {
        abort = () => controller.abort(signal?.reason ?? new Error("aborted"));
        if (signal?.aborted) abort();
        else signal?.addEventListener("abort", abort, { once: true });
      },
      onResponseStart(controller, status, headers) {
        body.start(controller);
        if (status >= 200) resolve({ status, headers: headersOf(headers), body });
      },
      onResponseData: (controller, chunk) => body.push(controller, chunk),
      onResponseEnd() {
        over();
        body.end();
      },
      onResponseError(_controller, error) {
        over();
        body.end(error);
        reject(error);
      },
    });
  });
}

const CONNECT_TIMEOUT_MS = 10_000;

/** Trusts these certificates and no others, not the system's CAs either; as they are when a connection begins. */
function trusting(certificates: Watched<string>): buildConnector.connector {
  return (options, done) => {
    const ca = certificates.value;
    // An empty list would be the system's.
    if (!ca) return done(new Error("there is no certificate to know the key broker by"), null);
    const tls = { ca, rejectUnauthorized: true, minVersion: "TLSv1.3" as const, allowH2: false };
    return buildConnector({ ...tls, timeout: CONNECT_TIMEOUT_MS })(options, done);
  };
}

/**
 * `fetch` for the SDK, straight on undici's dispatcher: a streamed answer comes as the chunks of its socket. The platform's own fetch
 * puts each through web streams, which costs several times the processor time of the rest of the call.
 * Only what the SDK asks of a response is there while it streams; any other answer is a real `Response`.
 * @param certificates that alone are trusted; left out: the system's CAs
 */
export function modelFetch(certificates?: Watched<string>): Fetch {
  // As many connections as there are calls; HTTP/1.1, because one stalled HTTP/2 connection would stall all runs.
  const times = { keepAliveTimeout: 30_000, headersTimeout: 0, bodyTimeout: 0 };
  const connect = certificates ? { connect: trusting(certificates) } : {};
  const agent = new Agent({ ...times, ...connect, pipelining: 1, allowH2: false });
  return async (url, init = {}) => {
    const { href, origin, pathname, search } = new URL(url instanceof Request ? url.url : url);
    const { isFile, list } = toSend(init.headers as Headers); // that is what the SDK gives
    const options = {
      origin,
      path: pathname + search,
      method: init.method ?? "GET",
      headers: list,
      ...(isFile ? { bodyTimeout: FILE_STALL_MS } : {}),
      body: (init.body ?? null) as string | null,
    };
    const { status, headers, body } = await dispatch(agent, options, init.signal ?? null);
    const streams = status < 300 && !isFile && headers.get("content-type")?.startsWith("text/event-stream");
    if (streams) return { ok: true, status, headers, url: href, body } as unknown as Response;
    if (isFile && status < 300)
      return { ok: true, status, headers, url: href, body: body.lines() } as unknown as Response;
    const bare = status === 204 || status === 205 || status === 304;
    return new Response(bare ? null : await body.text(), { status, headers: [...headers] });
  };
}
