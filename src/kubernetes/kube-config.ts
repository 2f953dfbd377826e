import { Agent, type Dispatcher } from "undici";
import { KubeConfig } from "@kubernetes/client-node";

type Internals = {
  createDispatcher(cluster: unknown, options: Record<string, unknown>): Dispatcher | undefined;
};

/**
 * A KubeConfig that keeps its connections. The stock one opens a new TLS connection for every request
 * (client-node 2.0.1): this one keeps one undici Agent for each set of credentials and replaces it when they change.
 */
export class PooledKubeConfig extends KubeConfig {
  #key = "";
  #agent: Agent | undefined;

  constructor() {
    super();
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
        void this.#agent?.close();
        this.#key = key;
        // A watch is one connection for a long time (HTTP/1.1), so the number of connections is not bounded by a small number here.
        this.#agent = new Agent({
          connect: wanted.connect as never,
          connections: 64,
          headersTimeout: 30_000,
          bodyTimeout: 0,
        });
      }
      return this.#agent;
    };
  }

  /** Ends the kept connections. */
  async close(): Promise<void> {
    await this.#agent?.destroy();
    this.#agent = undefined;
  }
}

/** The kubeconfig of a path, or of the pod, or of the user (`KUBECONFIG`, `~/.kube/config`), in this order. */
export function loadKubeConfig(path?: string): PooledKubeConfig {
  const config = new PooledKubeConfig();
  if (path !== undefined) config.loadFromFile(path);
  else config.loadFromDefault();
  return config;
}
