import type { StoredMessage } from "../database/runs/run.ts";
import type { RunView } from "../database/runs/read-run.ts";
import type { Session } from "../database/runs/sessions.ts";
import type { RunEvent, RunResult } from "./engine/events.ts";

export type { RunEvent, RunResult };
/** An event as a client gets it; `id` is for `Last-Event-ID`. */
export type ReceivedEvent = RunEvent & { id: string };

export interface ClientOptions {
  baseUrl: string;
  /** A bearer token, or how to get one. */
  token?: string | (() => Promise<string>);
  headers?: Record<string, string>;
}

/** The agent refused; `status` and `detail` are from its problem document. */
export class AgentApiError extends Error {
  override name = "AgentApiError";
  readonly status: number;
  readonly detail: string;
  /** Seconds, when the agent says when to try again. */
  readonly retryAfter: number | undefined;
  constructor(status: number, detail: string, retryAfter: number | undefined) {
    super(`HTTP ${status}: ${detail}`);
    this.status = status;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }
}

export interface RunOptions {
  variables?: Record<string, unknown>;
  idempotencyKey?: string;
  signal?: AbortSignal;
}

/** Events of a stream, as they come. Comments are left out. */
async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<ReceivedEvent> {
  let rest = "";
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    rest += chunk;
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const lines = rest.slice(0, end).split("\n");
      rest = rest.slice(end + 2);
      const field = (name: string) => lines.find((it) => it.startsWith(`${name}: `))?.slice(name.length + 2);
      const [type, data] = [field("event"), field("data")];
      if (type && data) yield { type, data: JSON.parse(data), id: field("id") ?? "" } as ReceivedEvent;
    }
  }
}

/** A client of one agent's HTTP API. */
export class AgentClient {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** @throws AgentApiError */
  async #fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const { baseUrl, token, headers } = this.#options;
    const bearer = typeof token === "function" ? await token() : token;
    const all = {
      ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
      ...headers,
      ...(init.headers as Record<string, string>),
    };
    const response = await fetch(`${baseUrl.replace(/\/$/, "")}${path}`, { ...init, headers: all });
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as { detail?: string };
    const wait = Number(response.headers.get("retry-after") ?? Number.NaN);
    throw new AgentApiError(
      response.status,
      problem.detail ?? response.statusText,
      Number.isFinite(wait) ? wait : undefined,
    );
  }

  async #json<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const sent =
      body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } };
    return (await (await this.#fetch(path, { method, ...sent })).json()) as T;
  }

  createSession(metadata: Record<string, string> = {}): Promise<Omit<Session, "userId">> {
    return this.#json("POST", "/v1/sessions", { metadata });
  }
  session(id: string): Promise<Omit<Session, "userId">> {
    return this.#json("GET", `/v1/sessions/${id}`);
  }
  sessions(
    query: { limit?: number; before?: string } = {},
  ): Promise<{ items: Omit<Session, "userId">[]; next: string | null }> {
    const search = new URLSearchParams(
      Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
    );
    return this.#json("GET", `/v1/sessions?${search.toString()}`);
  }
  messages(sessionId: string, after = 0): Promise<{ items: StoredMessage[]; next: number | null }> {
    return this.#json("GET", `/v1/sessions/${sessionId}/messages?after=${after}`);
  }
  getRun(id: string): Promise<RunView> {
    return this.#json("GET", `/v1/runs/${id}`);
  }
  cancel(id: string): Promise<RunView> {
    return this.#json("POST", `/v1/runs/${id}/cancel`, {});
  }

  /** Starts a run and does not wait for it. */
  startRun(
    sessionId: string,
    message: string,
    options: RunOptions = {},
  ): Promise<{ id: string; sessionId: string; state: string }> {
    const { variables, idempotencyKey } = options;
    const headers: Record<string, string> = idempotencyKey ? { "idempotency-key": idempotencyKey } : {};
    return this.#json(
      "POST",
      `/v1/sessions/${sessionId}/runs`,
      { message, ...(variables ? { variables } : {}) },
      headers,
    );
  }

  /** Starts a run and gives its events until it ends. Leaving early does not end the run. */
  async *run(sessionId: string, message: string, options: RunOptions = {}): AsyncGenerator<ReceivedEvent> {
    const { variables, idempotencyKey, signal } = options;
    const headers = {
      accept: "text/event-stream",
      "content-type": "application/json",
      ...(idempotencyKey ? { "idempotency-key": idempotencyKey } : {}),
    };
    const body = JSON.stringify({ message, ...(variables ? { variables } : {}) });
    const response = await this.#fetch(`/v1/sessions/${sessionId}/runs`, {
      method: "POST",
      headers,
      body,
      ...(signal ? { signal } : {}),
    });
    yield* eventsOf(response.body as ReadableStream<Uint8Array>);
  }

  /** The events of a run, from its start or after an event, until it ends. */
  async *events(
    runId: string,
    options: { lastEventId?: string; signal?: AbortSignal } = {},
  ): AsyncGenerator<ReceivedEvent> {
    const { lastEventId, signal } = options;
    const headers = { accept: "text/event-stream", ...(lastEventId ? { "last-event-id": lastEventId } : {}) };
    const response = await this.#fetch(`/v1/runs/${runId}/events`, { headers, ...(signal ? { signal } : {}) });
    yield* eventsOf(response.body as ReadableStream<Uint8Array>);
  }

  /** Asks and waits for the end. */
  async ask(sessionId: string, message: string, options: RunOptions = {}): Promise<RunResult> {
    for await (const event of this.run(sessionId, message, options)) {
      if (event.type === "run.completed" || event.type === "run.failed" || event.type === "run.cancelled")
        return event.data;
    }
    throw new Error("the stream ended before the run did");
  }
}
