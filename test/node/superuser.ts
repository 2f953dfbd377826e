import { BACKEND_NAMESPACE } from "../../src/cli/demo/paths.ts";
import type { ConnectionSettings } from "../../src/database/connection.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { PooledKubeConfig } from "../../src/kubernetes/kube-config.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { forwardPort } from "../../src/kubernetes/port-forward.ts";
import { POD, SECRET } from "../../src/kubernetes/resource-kind.ts";

/** The way to the demo's Postgres for its superuser, to the database `postgres`. */
export async function openAsSuperuser(
  client: KubernetesClient,
  config: PooledKubeConfig,
): Promise<{ settings: ConnectionSettings; close(): Promise<void> }> {
  const [pod] = await client.list<KubernetesObject>(POD, BACKEND_NAMESPACE, { labelSelector: "app=postgres" });
  const forwarded = await forwardPort(config, BACKEND_NAMESPACE, pod?.metadata.name ?? "", 5432);
  const { data } = await client.get<{ data: Record<string, string> }>(SECRET, "postgres", BACKEND_NAMESPACE);
  const file = (name: string) => Buffer.from(data[name] ?? "", "base64").toString();
  const settings = {
    host: "localhost",
    port: forwarded.port,
    database: "postgres",
    user: "postgres",
    password: file("superuser-password"),
    tls: { ca: file("ca.crt") },
  };
  return { settings, close: () => forwarded.close() };
}
