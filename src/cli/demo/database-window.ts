import { createPool, type ConnectionSettings } from "../../database/connection.ts";
import { forwardPort } from "../../kubernetes/port-forward.ts";
import { POD } from "../../kubernetes/resource-kind.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import type { Environment } from "./environment.ts";
import { BACKEND_NAMESPACE } from "./paths.ts";

/** How to look into the demo's Postgres from this machine: through the API server, TLS verified all the same. */
export async function openDatabase(
  { client, config }: Environment,
  ca: string,
): Promise<{ settings: Omit<ConnectionSettings, "user" | "password">; close(): Promise<void> }> {
  const [pod] = await client.list<KubernetesObject>(POD, BACKEND_NAMESPACE, { labelSelector: "app=postgres" });
  if (!pod) throw new Error("the demo's Postgres has no pod");
  const forwarded = await forwardPort(config, BACKEND_NAMESPACE, pod.metadata.name, 5432);
  return {
    settings: { host: "localhost", port: forwarded.port, database: "agentpg", tls: { ca } },
    close: () => forwarded.close(),
  };
}

/** Runs statements on one connection, in order; the rows of the last. */
export async function query<Row extends object>(settings: ConnectionSettings, ...statements: string[]): Promise<Row[]> {
  const pool = createPool(settings, "agentpg-demo", () => {}, { max: 1, min: 0, idleMs: 1000, lifetimeSeconds: 60 });
  try {
    const connection = await pool.connect();
    try {
      let rows: Row[] = [];
      for (const statement of statements) rows = (await connection.query<Row>(statement)).rows;
      return rows;
    } finally {
      connection.release();
    }
  } finally {
    await pool.end();
  }
}
