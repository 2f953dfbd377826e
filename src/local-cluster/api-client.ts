import { Agent, request } from "node:https";
import { text } from "node:stream/consumers";
import { LocalClusterError } from "./errors.ts";
import type { Access } from "./kubeconfig.ts";

/** The few requests that bringing a cluster up takes; everything else uses the real client. */
export interface ApiClient {
  /** The body of a GET; throws when the status isn't 2xx. */
  get(path: string): Promise<string>;
  /** Server-side apply: makes the object so, whether it was there or not. */
  apply(path: string, object: object): Promise<void>;
  close(): void;
}

/** A client with these credentials; connections are kept until `close`. */
export function apiClient(access: Access): ApiClient {
  const agent = new Agent({
    keepAlive: true,
    ca: access.authority,
    cert: access.user.certificate,
    key: access.user.key,
  });
  const send = async (method: string, path: string, body?: string): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const headers = body === undefined ? {} : { "content-type": "application/apply-patch+yaml" };
    const outgoing = request(new URL(path, access.server), { method, agent, headers, timeout: 10_000 }, (response) => {
      text(response).then((answer) => {
        if (response.statusCode && response.statusCode < 300) resolve(answer);
        else reject(new LocalClusterError(`${method} ${path}: HTTP ${response.statusCode} ${answer.slice(0, 500)}`));
      }, reject);
    });
    outgoing.on("timeout", () => outgoing.destroy(new LocalClusterError(`${method} ${path}: no answer in 10 s`)));
    outgoing.on("error", reject);
    outgoing.end(body);
    return promise;
  };
  return {
    get: (path) => send("GET", path),
    apply: async (path, object) => {
      await send("PATCH", `${path}?fieldManager=agentpg-local-cluster&force=true`, JSON.stringify(object));
    },
    close: () => agent.destroy(),
  };
}
