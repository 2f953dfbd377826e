import { BACKEND_NAMESPACE, OPERATOR_NAMESPACE } from "./paths.ts";
import { ADMIN_SECRET, CLAUDE_URL, POSTGRES_HOST } from "./manifests.ts";

const peer = (namespace: string, app?: string) => ({
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
  ...(app ? { podSelector: { matchLabels: { app } } } : {}),
});

/** Where the agents' model calls go. */
export type ModelEndpoint =
  | { kind: "simulated" }
  | { kind: "anthropic" }
  | { kind: "relay"; url: string; address: string; port: number };

const model = (endpoint: ModelEndpoint) => {
  if (endpoint.kind === "simulated")
    return { baseUrl: CLAUDE_URL, port: 8080, peers: [peer(BACKEND_NAMESPACE, "claude")] };
  if (endpoint.kind === "anthropic") return {};
  return { baseUrl: endpoint.url, port: endpoint.port, peers: [{ ipBlock: { cidr: `${endpoint.address}/32` } }] };
};

/** The chart's values for the demo: one replica, the demo's Postgres, and the model endpoint. */
export function helmValues(endpoint: ModelEndpoint, image: string) {
  const colon = image.lastIndexOf(":");
  return {
    replicaCount: 1,
    image: { repository: image.slice(0, colon), tag: image.slice(colon + 1) },
    database: { host: POSTGRES_HOST, credentialsSecret: ADMIN_SECRET, peers: [peer(BACKEND_NAMESPACE, "postgres")] },
    model: model(endpoint),
    metricsClients: [peer(OPERATOR_NAMESPACE)],
    operator: { resyncSeconds: 30 },
  };
}
