import { Agent, type Dispatcher } from "undici";

export type Answer = Dispatcher.ResponseData;

export interface Sent {
  method: "GET" | "POST";
  path: string;
  body: string | undefined;
  /** Of the agent's request, those that the endpoint needs. */
  headers: Record<string, string>;
}

/** The agents give up long before. Milliseconds. */
const LONGEST_SILENCE_MS = 600_000;

/** The Messages API at one address, which nothing in a request can change: no redirect is followed, no proxy of the environment asked. */
export class Endpoint {
  readonly #origin: string;
  readonly #prefix: string;
  // As many connections as there are calls; HTTP/1.1, because one stalled HTTP/2 connection would stall all.
  readonly #agent = new Agent({
    keepAliveTimeout: 30_000,
    headersTimeout: LONGEST_SILENCE_MS,
    bodyTimeout: LONGEST_SILENCE_MS,
    pipelining: 1,
    allowH2: false,
  });

  constructor(baseUrl = "https://api.anthropic.com") {
    const { origin, pathname } = new URL(baseUrl);
    this.#origin = origin;
    this.#prefix = pathname.replace(/\/$/, "");
  }

  /** @throws as undici does, and the signal's reason */
  send({ method, path, body, headers }: Sent, key: string, signal: AbortSignal): Promise<Answer> {
    return this.#agent.request({
      origin: this.#origin,
      path: this.#prefix + path,
      method,
      headers: { ...headers, authorization: `Bearer ${key}`, "accept-encoding": "identity" },
      body: body ?? null,
      signal,
    });
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }
}
