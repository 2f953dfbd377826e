import type { SecurityCheck } from "../api/security-checks.ts";
import { KubernetesClient } from "../kubernetes/client.ts";
import type { KubernetesObject } from "../kubernetes/object.ts";
import { TENANT } from "../operator/caches.ts";
import { type ClusterOptions, openConfig } from "./open-config.ts";
import { table } from "./table.ts";

type WithChecks = KubernetesObject & { status?: { securityChecks?: SecurityCheck[] } };

/** One row of one tenant. */
interface ShownCheck extends SecurityCheck {
  tenant: string;
}

const ORDER = { Failed: 0, Unknown: 1, Passed: 2 } as const;

function rowsOf({ metadata: { name: tenant }, status }: WithChecks): ShownCheck[] {
  const rows = (status?.securityChecks ?? []).map((row) => ({ tenant, ...row }));
  return rows.sort((a, b) => ORDER[a.status] - ORDER[b.status]);
}

const HEAD = ["TENANT", "CHECK", "STATUS", "REASON", "CHECKED", "PROOF OR REMEDY"];

/** @throws Error when there is no Tenant of this name */
function chosen(tenants: WithChecks[], name: string | undefined): WithChecks[] {
  const found = name === undefined ? tenants : tenants.filter((it) => it.metadata.name === name);
  if (name !== undefined && found.length === 0) throw new Error(`there is no Tenant ${name}: kubectl get tenants`);
  return found;
}

/**
 * `agentpg status --security`: what was proved of the tenants' security, what failed first. Gives 1 when a check failed or a
 * tenant was not looked at yet; Unknown is no failure.
 */
export async function showSecurity(
  options: ClusterOptions & {
    output: "table" | "json";
    tenant?: string;
  },
): Promise<number> {
  const config = openConfig(options);
  try {
    const tenants = chosen(await new KubernetesClient(config).list<WithChecks>(TENANT), options.tenant);
    const rows = tenants.flatMap(rowsOf);
    const unseen = tenants.filter((it) => !it.status?.securityChecks).map((it) => it.metadata.name);
    if (options.output === "json") process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
    else {
      const cells = rows.map((it) => [it.tenant, it.name, it.status, it.reason, it.checkedAt, it.message]);
      process.stdout.write(`${table([HEAD, ...cells])}\n`);
      for (const name of unseen)
        process.stdout.write(`Tenant ${name} has not been looked at yet: it needs its schema, and a minute\n`);
    }
    return unseen.length > 0 || rows.some((it) => it.status === "Failed") ? 1 : 0;
  } finally {
    await config.close();
  }
}
