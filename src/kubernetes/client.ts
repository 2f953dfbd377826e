import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fetch, type Response } from "undici";
import { HttpMethod, RequestContext } from "@kubernetes/client-node";
import { ApiError, ApiUnreachable } from "./errors.ts";
import type { PooledKubeConfig } from "./kube-config.ts";
import type { KubernetesObject } from "./object.ts";
import { resourcePath, type ResourceKind } from "./resource-kind.ts";
import { type Answer, flowOf, isPushback, PRIORITY_LEVEL_HEADER, Throttle } from "./throttle.ts";

type Query = Record<string, string | number | boolean | undefined>;

interface RequestOptions {
  query?: Query;
  body?: unknown;
  contentType?: string;
  /** Milliseconds until the request is given up, waits that the server asks for included; 30 s unless told, none for `0`. */
  timeoutMs?: number;
  signal?: AbortSignal;
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

  constructor(config: PooledKubeConfig) {
    this.#config = config;
  }

  /** Sends, and sends again what the server refused unseen (429, 503 with Retry-After) once it may, as long as there is time. */
  async #send(method: string, path: string, options: RequestOptions): Promise<Response> {
    const { timeoutMs = 30_000, signal, urgent = false } = options;
    const deadline = performance.now() + (timeoutMs > 0 ? timeoutMs : 30_000);
    const signals = [...(signal ? [signal] : []), ...(timeoutMs > 0 ? [AbortSignal.timeout(timeoutMs)] : [])];
    const given = signals.length > 0 ? AbortSignal.any(signals) : undefined;
    const flow = flowOf(method, path);
    for (;;) {
      const wait = urgent ? 0 : this.#throttle.waitMs(flow);
      if (wait > 0) await this.#held(`${method} ${path}`, wait, deadline, given);
      const response = await this.#sendOnce(method, path, options, given);
      const answer = answerOf(response);
      this.#throttle.heard(flow, answer);
      const mayRepeat = !urgent && (answer.status === 429 || method !== "POST");
      if (!mayRepeat || !isPushback(answer) || performance.now() + this.#throttle.waitMs(flow) > deadline)
        return response;
      await response.body?.cancel();
    }
  }

  async #held(what: string, ms: number, deadline: number, signal: AbortSignal | undefined): Promise<void> {
    if (performance.now() + ms > deadline)
      throw new ApiError(429, "TooManyRequests", `${what}: the API server asked to wait ${Math.round(ms)} ms`, ms);
    await sleep(ms, undefined, signal ? { signal } : {}).catch((error: unknown) => {
      throw new ApiUnreachable(`${what}: given up while the API server asked to wait`, { cause: error });
    });
  }

  async #sendOnce(
    method: string,
    path: string,
    { query = {}, body, contentType, urgent = false }: RequestOptions,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    const cluster = this.#config.getCurrentCluster();
    if (!cluster)
      throw new ApiUnreachable("the kubeconfig has no current cluster: set current-context, or pass --kubeconfig");
    const url = new URL(cluster.server.replace(/\/$/, "") + path);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const send = async (): Promise<Response> => {
      const context = new RequestContext(url.toString(), method as HttpMethod);
      await this.#config.applySecurityAuthentication(context);
      if (method !== "GET" && !urgent) this.beforeWrite();
      this.sent[method] = (this.sent[method] ?? 0) + 1;
      const response = await fetch(url, {
        method,
        headers: {
          ...context.getHeaders(),
          "user-agent": "agentpg",
          accept: "application/json, */*;q=0.1",
          ...(body === undefined ? {} : { "content-type": contentType ?? "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        dispatcher: context.getDispatcher() as never,
        ...(signal ? { signal } : {}),
      }).catch((error: unknown) => {
        this.#config.leaveConnections(context.getDispatcher());
        this.observe({ method, host: url.host, code: "<error>" });
        throw new ApiUnreachable(`${method} ${path}: the API server does not answer`, { cause: error });
      });
      this.observe({ method, host: url.host, code: String(response.status) });
      return response;
    };
    const response = await send();
    if (response.status !== 401 || !this.#config.reloadToken()) return response;
    await response.body?.cancel(); // the token had been replaced
    return send();
  }

  /** One request; the body of the answer. */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.#send(method, path, options);
    if (!response.ok) throw await apiError(response);
    const text = await response.text().catch((error: unknown) => {
      throw new ApiUnreachable(`${method} ${path}: the answer broke off`, { cause: error });
    });
    return (text && response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text) as T;
  }

  get<T = KubernetesObject>(kind: ResourceKind, name: string, namespace?: string, limits: Limits = {}): Promise<T> {
    return this.request("GET", resourcePath(kind, namespace, name), limits);
  }

  /** One page of a list. */
  async listPage<T = KubernetesObject>(
    kind: ResourceKind,
    query: Query,
    namespace?: string,
    signal?: AbortSignal,
  ): Promise<ListPage<T>> {
    const list = await this.request<{ items?: T[]; metadata: { resourceVersion: string; continue?: string } }>(
      "GET",
      resourcePath(kind, namespace),
      { query, ...(signal ? { signal } : {}) },
    );
    return {
      items: list.items ?? [],
      resourceVersion: list.metadata.resourceVersion,
      continue: list.metadata.continue || undefined,
    };
  }

  async list<T = KubernetesObject>(kind: ResourceKind, namespace?: string, query: Query = {}): Promise<T[]> {
    const items: T[] = [];
    let token: string | undefined;
    do {
      const page = await this.listPage<T>(kind, { limit: 500, ...query, continue: token }, namespace);
      items.push(...page.items);
      token = page.continue;
    } while (token);
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
    const response = await this.#send("GET", path, { query, timeoutMs: 0, signal });
    if (!response.ok) throw await apiError(response);
    opened();
    if (!response.body) return;
    const lines = createInterface(Readable.fromWeb(response.body as never));
    try {
      yield* lines;
    } catch (error) {
      throw new ApiUnreachable(`${path}: the connection broke`, { cause: error });
    } finally {
      lines.close();
    }
  }
}

async function apiError(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  let status: { message?: string; reason?: string; details?: { retryAfterSeconds?: number } } = {};
  try {
    status = JSON.parse(text) as typeof status;
  } catch {
    // not a metav1.Status: a proxy, or an API server that is starting
  }
  return new ApiError(
    response.status,
    status.reason ?? "",
    status.message ?? `the API server answered ${response.status}`,
    answerOf(response).retryAfterMs ?? milliseconds(status.details?.retryAfterSeconds),
  );
}

const milliseconds = (seconds: unknown): number | undefined => {
  const ms = Number(seconds ?? Number.NaN) * 1000;
  return Number.isFinite(ms) ? ms : undefined;
};

const answerOf = ({ status, headers }: Response): Answer => ({
  status,
  level: headers.get(PRIORITY_LEVEL_HEADER) ?? undefined,
  retryAfterMs: milliseconds(headers.get("retry-after") ?? undefined),
});

/** What an ERROR event of a watch says. */
export function watchError(object: unknown): ApiError {
  const status = object as { code?: number; reason?: string; message?: string };
  return new ApiError(status.code ?? 500, status.reason ?? "", status.message ?? "the watch reported an error");
}
