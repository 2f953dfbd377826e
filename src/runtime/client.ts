import { AgentApiError, errorOf } from "./client/errors.ts";
import { eventsOf, type FinalEvent, isFinal } from "./client/event-stream.ts";
import { beforeNext, isPutOff, type Patience } from "./client/retry.ts";
import type {
  AcceptedRun,
  ApprovalPage,
  Compacted,
  Context,
  Decided,
  Limits,
  MessagePage,
  Run,
  RunEvent,
  RunPage,
  RunTree,
  Session,
  SessionPage,
  Usage,
} from "./client/types.ts";

export { AgentApiError };
export type * from "./client/types.ts";
/** An event as a client gets it; `id` is for `Last-Event-ID`. */
export type ReceivedEvent = RunEvent;
export type RunResult = FinalEvent["data"];

export interface ClientOptions {
  /** Where the agent is; asked again for each request when it is a function, so that it may be another pod. */
  baseUrl: string | (() => string | Promise<string>);
  /** A bearer token, or how to get one. */
  token?: string | (() => Promise<string>);
  headers?: Record<string, string>;
  /** How long to go on after 429, 502, 503, 504 and broken connections. `attempts: 0`: not at all. */
  patience?: Partial<Patience>;
}

export interface RunOptions {
  variables?: Record<string, unknown>;
  /** Left out: a new one, so that a question that is sent again is asked once. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

interface Send {
  body?: unknown;
  headers?: Record<string, string | undefined>;
  query?: Record<string, string | number | string[] | undefined>;
  signal?: AbortSignal | undefined;
}

const EVENTS = { accept: "text/event-stream" };

/** @throws TypeError for what cannot be the name of anything, and would lead to another path */
function segmentOf(id: string): string {
  if (typeof id === "string" && !["", ".", ".."].includes(id)) return encodeURIComponent(id);
  throw new TypeError(
    `${JSON.stringify(id)} is no id of a session, run or tool call: give the one that the agent gave`,
  );
}
const pathOf = (segments: string[]): string => `/v1/${segments.map(segmentOf).join("/")}`;

function searchOf(query: NonNullable<Send["query"]>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((it) => [name, String(it)] as [string, string]),
  );
  return pairs.length ? `?${new URLSearchParams(pairs).toString()}` : "";
}

/** A client of one agent's HTTP API. Its methods throw {@link AgentApiError} when the agent refuses. */
export class AgentClient {
  readonly #options: ClientOptions;
  readonly #patience: Patience;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#patience = { attempts: 5, longestWait: 10, ...options.patience };
  }

  async #once(method: string, path: string, { body, headers, query, signal }: Send): Promise<Response> {
    const { baseUrl, token, headers: always } = this.#options;
    const base = typeof baseUrl === "function" ? await baseUrl() : baseUrl;
    const bearer = typeof token === "function" ? await token() : token;
    const all = {
      ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...always,
      ...headers,
    };
    const set = Object.entries(all).filter((it): it is [string, string] => it[1] !== undefined);
    const response = await fetch(`${base.replace(/\/$/, "")}${path}${searchOf(query ?? {})}`, {
      method,
      headers: Object.fromEntries(set),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
    if (response.ok) return response;
    throw await errorOf(response);
  }

  /** What may be sent twice is, when there was no answer; the rest only when the agent itself put it off. */
  async #send(method: string, segments: string[], send: Send = {}, repeatable = method !== "POST"): Promise<Response> {
    const path = pathOf(segments);
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#once(method, path, send);
      } catch (error) {
        if (!repeatable && !isPutOff(error)) throw error;
        await beforeNext(error, attempt, this.#patience, send.signal);
      }
    }
  }

  async #json<T>(method: string, segments: string[], send?: Send, repeatable?: boolean): Promise<T> {
    return (await (await this.#send(method, segments, send, repeatable)).json()) as T;
  }

  createSession(metadata: Record<string, string> = {}): Promise<Session> {
    return this.#json("POST", ["sessions"], { body: { metadata } });
  }
  session(id: string): Promise<Session> {
    return this.#json("GET", ["sessions", id]);
  }
  /** @param query.metadata entries that the sessions have */
  sessions({
    metadata = {},
    ...query
  }: {
    limit?: number;
    before?: string;
    metadata?: Record<string, string>;
  } = {}): Promise<SessionPage> {
    const entries = Object.entries(metadata).map(([key, value]) => `${key}:${value}`);
    return this.#json("GET", ["sessions"], { query: { ...query, metadata: entries } });
  }
  changeSession(id: string, metadata: Record<string, string | null>): Promise<Session> {
    return this.#json("PATCH", ["sessions", id], { body: { metadata } });
  }
  /** Erases the session; waits while its runs are being cancelled. */
  async eraseSession(id: string, signal?: AbortSignal): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#send("DELETE", ["sessions", id], { signal });
        return;
      } catch (error) {
        const busy = error instanceof AgentApiError && error.code === "session-busy";
        if (!busy) throw error;
        await beforeNext(new AgentApiError(503, error.detail, error.retryAfter), attempt, this.#patience, signal);
      }
    }
  }
  messages(sessionId: string, after = 0): Promise<MessagePage> {
    return this.#json("GET", ["sessions", sessionId, "messages"], { query: { after } });
  }
  context(sessionId: string): Promise<Context> {
    return this.#json("GET", ["sessions", sessionId, "context"]);
  }
  compact(sessionId: string): Promise<Compacted> {
    return this.#json("POST", ["sessions", sessionId, "compact"]);
  }
  runs(sessionId: string, query: { limit?: number; before?: string; state?: Run["state"] } = {}): Promise<RunPage> {
    return this.#json("GET", ["sessions", sessionId, "runs"], { query });
  }
  getRun(id: string): Promise<Run> {
    return this.#json("GET", ["runs", id]);
  }
  runTree(id: string): Promise<RunTree> {
    return this.#json("GET", ["runs", id, "tree"]);
  }
  cancel(id: string): Promise<Run> {
    return this.#json("POST", ["runs", id, "cancel"], {}, true);
  }
  approvals(query: { limit?: number; after?: string } = {}): Promise<ApprovalPage> {
    return this.#json("GET", ["approvals"], { query });
  }
  decide(runId: string, toolUseId: string, approve: boolean, reason?: string): Promise<Decided> {
    const body = { approve, ...(reason === undefined ? {} : { reason }) };
    return this.#json("POST", ["runs", runId, "approvals", toolUseId], { body }, true);
  }
  usage(query: { from?: string; to?: string; by?: Usage["by"]; scope?: Usage["scope"] } = {}): Promise<Usage> {
    return this.#json("GET", ["usage"], { query });
  }
  limits(): Promise<Limits> {
    return this.#json("GET", ["limits"]);
  }

  #question(message: string, { variables, idempotencyKey = crypto.randomUUID(), signal }: RunOptions): Send {
    const body = { message, ...(variables ? { variables } : {}) };
    return { body, headers: { "idempotency-key": idempotencyKey }, signal };
  }

  /** Starts a run and does not wait for it. */
  startRun(sessionId: string, message: string, options: RunOptions = {}): Promise<AcceptedRun> {
    return this.#json("POST", ["sessions", sessionId, "runs"], this.#question(message, options), true);
  }

  /**
   * Starts a run and gives its events until it ends; where a stream breaks it goes on, with another pod if need be. Leaving early
   * does not end the run.
   */
  async *run(sessionId: string, message: string, options: RunOptions = {}): AsyncGenerator<ReceivedEvent> {
    const question = this.#question(message, options);
    const send = { ...question, headers: { ...question.headers, ...EVENTS } };
    const response = await this.#send("POST", ["sessions", sessionId, "runs"], send, true);
    const runId = response.headers.get("location")?.split("/").at(-1) ?? "";
    yield* this.#follow(runId, undefined, options.signal, response);
  }

  /** The events of a run, from its start or after an event, until it ends. */
  events(runId: string, options: { lastEventId?: string; signal?: AbortSignal } = {}): AsyncGenerator<ReceivedEvent> {
    return this.#follow(runId, options.lastEventId, options.signal);
  }

  async *#follow(
    runId: string,
    after: string | undefined,
    signal: AbortSignal | undefined,
    begun?: Response,
  ): AsyncGenerator<ReceivedEvent> {
    let last = after;
    let response = begun;
    for (let attempt = 0; ; attempt++) {
      const path = response ? "" : pathOf(["runs", runId, "events"]);
      try {
        response ??= await this.#once("GET", path, {
          headers: { ...EVENTS, "last-event-id": last },
          signal,
        });
        for await (const event of eventsOf(response.body as ReadableStream<Uint8Array>)) {
          attempt = 0;
          if (event.id) last = event.id;
          yield event;
          if (isFinal(event)) return;
        }
        throw new Error("the stream ended before the run did");
      } catch (error) {
        response = undefined;
        await beforeNext(error, attempt, this.#patience, signal);
      }
    }
  }

  /** Asks and waits for the end. */
  async ask(sessionId: string, message: string, options: RunOptions = {}): Promise<RunResult> {
    for await (const event of this.run(sessionId, message, options)) if (isFinal(event)) return event.data;
    throw new Error("the stream ended before the run did");
  }
}
