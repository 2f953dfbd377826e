import { setTimeout as sleep } from "node:timers/promises";
import { type Dispatcher, getGlobalDispatcher } from "undici";
import { Deadline } from "./deadline.ts";
import { ApiError, ApiUnreachable } from "./errors.ts";
import type { Connection, PooledKubeConfig } from "./kube-config.ts";
import type { KubernetesObject } from "./object.ts";
import { withoutManagedFields } from "./managed-fields.ts";
import { resourcePath, type ResourceKind } from "./resource-kind.ts";
import { textLines } from "./text-lines.ts";
import { type Answer, flowOf, isPushback, PRIORITY_LEVEL_HEADER, Throttle } from "./throttle.ts";

type Response = Dispatcher.ResponseData;
type Query = Record<string, string | number | boolean | undefined>;

interface RequestOptions {
  query?: Query;
  body?: unknown;
  contentType?: string;
  /** Milliseconds until the request is given up, waits that the server asks for included; 30 s unless told, none for `0`. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** What of the answer is read as JSON; all of it unless told. */
  readable?: (text: string) => string;
  /** true: neither held back nor asked about by {@link KubernetesClient.beforeWrite}: what keeps a Lease. */
  urgent?: boolean;
}

interface ApplyOptions {
  fieldManager: string;
  subresource?: string;
  onlyCreate?: boolean;
}

/** How a single request may be told apart from the others. */
type Limits = Pick<RequestOptions, "timeoutMs" | "signal" | "urgent">;

/** What a client tells of each answer; `code` is `<error>` where there was none. */
export type RequestObserver = (request: { method: string; host: string; code: string }) => void;

/** What a request is done within; it gives and throws what `send` does. */
export type RequestWrapper = <T>(request: { method: string; flow: string }, send: () => Promise<T>) => Promise<T>;

export interface ListPage<T> {
  items: T[];
  resourceVersion: string;
  continue: string | undefined;
}

/** An event of a watch, as the wire has it. */
export interface WatchEvent {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  object: KubernetesObject;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const APPLY = "application/apply-patch+yaml"; // JSON is YAML
/**
 * No object is ever at this version: etcd itself begins with it. An apply that names a version changes an object at that version
 * only, and where there is no object it makes one, whatever the version.
 */
const NEVER = "1";

/**
 * A small generic client: kinds are data, objects are plain. Authentication, TLS and token refresh are client-node's.
 * @throws ApiError when the API server refuses; ApiUnreachable when it does not answer
 */
export class KubernetesClient {
  readonly #config: PooledKubeConfig;
  readonly #throttle = new Throttle();
  /** Number of requests sent, by method: for tests and benchmarks of how chatty a controller is. */
  readonly sent: Record<string, number> = {};
  /** Asked before each write; what it throws stops the write. */
  beforeWrite: () => void = () => {};
  observe: RequestObserver = () => {};
  /** Around each request, with all its attempts and waits. */
  around: RequestWrapper = (_request, send) => send();

  constructor(config: PooledKubeConfig) {
    this.#config = config;
  }

  #send(method: string, path: string, options: RequestOptions, deadline: Deadline): Promise<Response> {
    const flow = flowOf(method, path);
    return this.around({ method, flow }, () => this.#sendUntilTaken(method, path, flow, options, deadline));
  }

  /** Sends, and sends again what the server refused unseen (429, 503 with Retry-After) once it may, as long as there is time. */
  async #sendUntilTaken(
    method: string,
    path: string,
    flow: string,
    options: RequestOptions,
    deadline: Deadline,
  ): Promise<Response> {
    const { urgent = false } = options;
    for (;;) {
      const wait = urgent ? 0 : this.#throttle.waitMs(flow);
      if (wait > 0) await this.#held(`${method} ${path}`, wait, deadline);
      const response = await this.#sendOnce(method, path, options, deadline.signal);
      const answer = answerOf(response);
      this.#throttle.heard(flow, answer);
      const mayRepeat = !urgent && (answer.status === 429 || method !== "POST");
      if (!mayRepeat || !isPushback(answer) || deadline.isBefore(this.#throttle.waitMs(flow))) return response;
      await response.body.dump().catch(() => {}); // its connection is good for the next
    }
  }

  async #held(what: string, ms: number, deadline: Deadline): Promise<void> {
    if (deadline.isBefore(ms))
      throw new ApiError(429, "TooManyRequests", `${what}: the API server asked to wait ${Math.round(ms)} ms`, ms);
    await sleep(ms, undefined, { signal: deadline.signal }).catch((error: unknown) => {
      throw new ApiUnreachable(`${what}: given up while the API server asked to wait`, { cause: error });
    });
  }

  async #sendOnce(method: string, path: string, options: RequestOptions, signal: AbortSignal): Promise<Response> {
    const connection = await this.#config.connection();
    const response = await this.#sendBy(connection, method, path, options, signal);
    const replaced = response.statusCode === 401 ? await this.#config.renewed(connection) : undefined;
    if (!replaced) return response;
    await response.body.dump().catch(() => {});
    return this.#sendBy(replaced, method, path, options, signal);
  }

  async #sendBy(
    { server, host, headers, dispatcher = getGlobalDispatcher() }: Connection,
    method: string,
    path: string,
    { query = {}, body, contentType = "application/json", urgent = false }: RequestOptions,
    signal: AbortSignal,
  ): Promise<Response> {
    if (method !== "GET" && !urgent) this.beforeWrite();
    this.sent[method] = (this.sent[method] ?? 0) + 1;
    const url = new URL(server + path);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    try {
      // Not fetch: it costs several times as much for each request, and asks for gzip, which on a cluster's network costs more than it saves.
      const response = await dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        headers: {
          ...headers,
          "user-agent": "agentpg",
          accept: "application/json, */*;q=0.1",
          ...(body === undefined ? {} : { "content-type": contentType }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal,
      });
      this.observe({ method, host, code: String(response.statusCode) });
      return response;
    } catch (error) {
      this.#config.leaveConnections(dispatcher);
      this.observe({ method, host, code: "<error>" });
      throw new ApiUnreachable(`${method} ${path}: the API server does not answer`, { cause: error });
    }
  }

  /** One request; the body of the answer. */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const { readable = (it) => it } = options;
    const deadline = new Deadline(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, options.signal);
    try {
      const response = await this.#send(method, path, options, deadline);
      if (isFailure(response)) throw await apiError(response);
      const text = await response.body.text().catch((error: unknown) => {
        throw new ApiUnreachable(`${method} ${path}: the answer broke off`, { cause: error });
      });
      return (text && headerOf(response, "content-type")?.includes("json") ? JSON.parse(readable(text)) : text) as T;
    } finally {
      deadline.clear();
    }
  }

  get<T = KubernetesObject>(kind: ResourceKind, name: string, namespace?: string, limits: Limits = {}): Promise<T> {
    return this.request("GET", resourcePath(kind, namespace, name), limits);
  }

  /** One page of a list. Its items come without `managedFields`. */
  async listPage<T = KubernetesObject>(
    kind: ResourceKind,
    query: Query,
    namespace?: string,
    signal?: AbortSignal,
  ): Promise<ListPage<T>> {
    const list = await this.request<{ items?: T[]; metadata: { resourceVersion: string; continue?: string } }>(
      "GET",
      resourcePath(kind, namespace),
      { query, readable: withoutManagedFields, ...(signal ? { signal } : {}) },
    );
    return {
      items: list.items ?? [],
      resourceVersion: list.metadata.resourceVersion,
      continue: list.metadata.continue || undefined,
    };
  }

  /** The pages of a list, each asked for while the one before is worked on. */
  async *pages<T = KubernetesObject>(
    kind: ResourceKind,
    namespace?: string,
    query: Query = {},
    signal?: AbortSignal,
  ): AsyncGenerator<ListPage<T>> {
    const pageFrom = (token: string | undefined) =>
      this.listPage<T>(kind, { limit: 500, ...query, continue: token }, namespace, signal);
    for (let asked: Promise<ListPage<T>> | undefined = pageFrom(undefined); asked; ) {
      const page: ListPage<T> = await asked;
      asked = page.continue ? pageFrom(page.continue) : undefined;
      asked?.catch(() => {}); // whoever asks for the next page hears of it
      yield page;
    }
  }

  async list<T = KubernetesObject>(kind: ResourceKind, namespace?: string, query: Query = {}): Promise<T[]> {
    const items: T[] = [];
    for await (const page of this.pages<T>(kind, namespace, query)) items.push(...page.items);
    return items;
  }

  create<T = KubernetesObject>(
    kind: ResourceKind,
    object: unknown,
    namespace?: string,
    limits: Limits = {},
  ): Promise<T> {
    return this.request("POST", resourcePath(kind, namespace), { ...limits, body: object });
  }

  replace<T extends KubernetesObject>(
    kind: ResourceKind,
    object: T,
    subresource?: string,
    limits: Limits = {},
  ): Promise<T> {
    const { name, namespace } = object.metadata;
    return this.request("PUT", resourcePath(kind, namespace, name, subresource), { ...limits, body: object });
  }

  /**
   * Server-side apply: what this manager no longer says goes, and what it says wins over others.
   * `onlyCreate`: makes the object, or is a 409 where there is one, whoever made it.
   */
  apply<T = KubernetesObject>(
    kind: ResourceKind,
    object: KubernetesObject,
    { fieldManager, subresource, onlyCreate = false }: ApplyOptions,
  ): Promise<T> {
    const { name, namespace } = object.metadata;
    const metadata = { ...object.metadata, ...(onlyCreate ? { resourceVersion: NEVER } : {}) };
    return this.request("PATCH", resourcePath(kind, namespace, name, subresource), {
      query: { fieldManager, force: true },
      body: { apiVersion: kind.apiVersion, kind: kind.kind, ...object, metadata },
      contentType: APPLY,
    });
  }

  mergePatch<T = KubernetesObject>(
    kind: ResourceKind,
    name: string,
    namespace: string | undefined,
    body: unknown,
    subresource?: string,
  ): Promise<T> {
    return this.request("PATCH", resourcePath(kind, namespace, name, subresource), {
      body,
      contentType: "application/merge-patch+json",
    });
  }

  /** Deletes; an object that is not there is no error. `uid` guards against deleting a successor of the same name. */
  async delete(kind: ResourceKind, name: string, namespace?: string, uid?: string): Promise<void> {
    const body = { propagationPolicy: "Background", ...(uid ? { preconditions: { uid } } : {}) };
    await this.request("DELETE", resourcePath(kind, namespace, name), { body }).catch((error: unknown) => {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    });
  }

  /** The events of a watch, bookmarks too, until it ends or `signal` aborts. `opened` is called once the server has accepted it. */
  async *watch(
    kind: ResourceKind,
    query: Query,
    signal: AbortSignal,
    opened: () => void = () => {},
  ): AsyncGenerator<WatchEvent> {
    const lines = this.lines(resourcePath(kind), { ...query, watch: true }, signal, opened);
    for await (const line of lines) if (line) yield JSON.parse(line) as WatchEvent;
  }

  /** The lines of an answer as they come, until it ends or `signal` aborts: a watch, or a pod's log. */
  async *lines(path: string, query: Query, signal: AbortSignal, opened: () => void = () => {}): AsyncGenerator<string> {
    const deadline = new Deadline(0, signal);
    try {
      const response = await this.#send("GET", path, { query }, deadline);
      if (isFailure(response)) throw await apiError(response);
      opened();
      try {
        yield* textLines(response.body);
      } catch (error) {
        throw new ApiUnreachable(`${path}: the connection broke`, { cause: error });
      }
    } finally {
      deadline.clear();
    }
  }
}

const isFailure = ({ statusCode }: Response): boolean => statusCode < 200 || statusCode > 299;

const headerOf = ({ headers }: Response, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
};

async function apiError(response: Response): Promise<ApiError> {
  const text = await response.body.text().catch(() => "");
  let status: { message?: string; reason?: string; details?: { retryAfterSeconds?: number } } = {};
  try {
    status = JSON.parse(text) as typeof status;
  } catch {
    // not a metav1.Status: a proxy, or an API server that is starting
  }
  return new ApiError(
    response.statusCode,
    status.reason ?? "",
    status.message ?? `the API server answered ${response.statusCode}`,
    answerOf(response).retryAfterMs ?? milliseconds(status.details?.retryAfterSeconds),
  );
}

const milliseconds = (seconds: unknown): number | undefined => {
  const ms = Number(seconds ?? Number.NaN) * 1000;
  return Number.isFinite(ms) ? ms : undefined;
};

const answerOf = (response: Response): Answer => ({
  status: response.statusCode,
  level: headerOf(response, PRIORITY_LEVEL_HEADER),
  retryAfterMs: milliseconds(headerOf(response, "retry-after")),
});

/** What an ERROR event of a watch says. */
export function watchError(object: unknown): ApiError {
  const status = object as { code?: number; reason?: string; message?: string };
  return new ApiError(status.code ?? 500, status.reason ?? "", status.message ?? "the watch reported an error");
}
