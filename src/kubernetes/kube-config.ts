import { isDeepStrictEqual } from "node:util";
import { Agent, type Dispatcher } from "undici";
import { HttpMethod, KubeConfig, RequestContext } from "@kubernetes/client-node";
import { ApiUnreachable } from "./errors.ts";
import { TokenFile } from "./token-file.ts";

/** Idle connections are given up before the API server does (90 s), so that no request is sent into a closing one. */
const IDLE_MS = 60_000;
/** For TCP and TLS together. */
const CONNECT_MS = 5_000;
/**
 * Of one process to the API server, watches included. Each request has a connection of its own (HTTP/1.1), so that one that is given up
 * takes its connection with it. Over HTTP/2 all share one, and undici keeps using it although nothing comes through any more.
 */
const MOST_CONNECTIONS = 64;

/** client-node reads the files of credentials and compares them each time it is asked; more often than this tells nothing new. */
const ASK_AGAIN_MS = 5_000;

/** What every request of a while has in common. */
export interface Connection {
  /** The cluster's address, without a slash at its end. */
  server: string;
  host: string;
  headers: Record<string, string>;
  /** undefined: undici's own. */
  dispatcher: Dispatcher | undefined;
}

type Internals = {
  authenticators: object[];
  createDispatcher(cluster: unknown, options: Record<string, unknown>): Dispatcher | undefined;
};

/**
 * A KubeConfig that keeps its connections. The stock one opens a new TLS connection for every request
 * (client-node 2.0.1): this one keeps one undici Agent for each set of credentials and replaces it when they change.
 */
export class PooledKubeConfig extends KubeConfig {
  #key = "";
  #agent: Agent | undefined;
  readonly #tokenFile = new TokenFile();
  #connection: { until: number; value: Promise<Connection> } | undefined;

  constructor() {
    super();
    (this as unknown as Internals).authenticators.unshift(this.#tokenFile); // the first that fits is asked
    const stock = (this as unknown as Internals).createDispatcher.bind(this);
    (this as unknown as Internals).createDispatcher = (cluster, options) => {
      const wanted = this.createDispatcherOptions(cluster as never, options);
      if (wanted.type !== "agent") return stock(cluster, options);
      const key = JSON.stringify([
        (cluster as { server?: string } | null)?.server,
        `${options["ca"]}`,
        `${options["cert"]}`,
        `${options["key"]}`,
        options["servername"],
        options["rejectUnauthorized"],
      ]);
      if (this.#agent === undefined || key !== this.#key) {
        void this.#agent?.close().catch(() => {}); // it may have been destroyed
        this.#key = key;
        this.#agent = new Agent({
          connect: { ...(wanted.connect as object), timeout: CONNECT_MS },
          allowH2: false,
          connections: MOST_CONNECTIONS,
          keepAliveTimeout: IDLE_MS,
          headersTimeout: 30_000,
          bodyTimeout: 0,
        });
      }
      return this.#agent;
    };
  }

  /** Where requests go and what they take along. @throws ApiUnreachable without a current cluster */
  connection(): Promise<Connection> {
    const now = performance.now();
    if (this.#connection && now < this.#connection.until) return this.#connection.value;
    const value = this.#connect();
    const asked = { until: now + ASK_AGAIN_MS, value };
    this.#connection = asked;
    value.catch(() => {
      if (this.#connection === asked) this.#connection = undefined;
    });
    return value;
  }

  async #connect(): Promise<Connection> {
    const cluster = this.getCurrentCluster();
    if (!cluster)
      throw new ApiUnreachable("the kubeconfig has no current cluster: set current-context, or pass --kubeconfig");
    const context = new RequestContext(cluster.server, HttpMethod.GET);
    await this.applySecurityAuthentication(context);
    return {
      server: cluster.server.replace(/\/$/, ""),
      host: new URL(cluster.server).host,
      headers: context.getHeaders(),
      dispatcher: context.getDispatcher(),
    };
  }

  /** No new request uses the connections of `stale`, one of which gave no answer: others may be as dead. What is under way goes on. */
  leaveConnections(stale: unknown): void {
    if (this.#agent === undefined || this.#agent !== stale) return;
    void this.#agent.close().catch(() => {}); // it may have been destroyed
    this.#agent = undefined;
    this.#connection = undefined;
  }

  /** Reads the credentials again after `refused` was; what there is instead, if they have been replaced. */
  async renewed(refused: Connection): Promise<Connection | undefined> {
    this.#tokenFile.reload();
    if ((await this.#connection?.value.catch(() => undefined)) === refused) this.#connection = undefined;
    const now = await this.connection();
    return isDeepStrictEqual(now.headers, refused.headers) ? undefined : now;
  }

  /** Ends the kept connections. */
  async close(): Promise<void> {
    await this.#agent?.destroy();
    this.#agent = undefined;
    this.#connection = undefined;
  }
}

/** The kubeconfig of a path, or of the pod, or of the user (`KUBECONFIG`, `~/.kube/config`), in this order. */
export function loadKubeConfig(path?: string): PooledKubeConfig {
  const config = new PooledKubeConfig();
  if (path !== undefined) config.loadFromFile(path);
  else config.loadFromDefault();
  return config;
}
