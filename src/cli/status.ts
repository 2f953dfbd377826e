import { KubernetesClient } from "../kubernetes/client.ts";
import type { KubernetesObject } from "../kubernetes/object.ts";
import { AGENT, TENANT } from "../operator/caches.ts";
import { type ClusterOptions, openConfig } from "./open-config.ts";
import { table } from "./table.ts";

type WithConditions = KubernetesObject & {
  spec?: { paused?: boolean };
  status?: {
    conditions?: { type: string; status: string; reason: string; message: string }[];
    schema?: string;
    readyReplicas?: number;
  };
};

const ready = (it: WithConditions) => it.status?.conditions?.find(({ type }) => type === "Ready");

function messageOf(it: WithConditions): string {
  const message = ready(it)?.message ?? "the operator has not looked at it yet: is it running?";
  return it.spec?.paused ? `paused: the operator changes nothing of it; as it was, ${message}` : message;
}

/** `agentpg status`: every Tenant and Agent, and why it is not ready. Gives 0 when all are. */
export async function showStatus(options: ClusterOptions & { output: "table" | "json" }): Promise<number> {
  const config = openConfig(options);
  try {
    const client = new KubernetesClient(config);
    const [tenants, agents] = await Promise.all([
      client.list<WithConditions>(TENANT),
      client.list<WithConditions>(AGENT),
    ]);
    const rows = [...tenants.map((it) => ({ kind: "Tenant", it })), ...agents.map((it) => ({ kind: "Agent", it }))].map(
      ({ kind, it }) => ({
        kind,
        name: it.metadata.namespace ? `${it.metadata.namespace}/${it.metadata.name}` : it.metadata.name,
        ready: ready(it)?.status ?? "Unknown",
        reason: ready(it)?.reason ?? "NotLookedAt",
        message: messageOf(it),
      }),
    );
    if (options.output === "json") process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
    else if (rows.length === 0)
      process.stdout.write("no Tenants yet: `kubectl apply` one, the README has an example\n");
    else
      process.stdout.write(
        `${table([["KIND", "NAME", "READY", "REASON", "MESSAGE"], ...rows.map((row) => Object.values(row))])}\n`,
      );
    return rows.every((row) => row.ready === "True") ? 0 : 1;
  } finally {
    await config.close();
  }
}
