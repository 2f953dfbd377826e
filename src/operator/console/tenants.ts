import { CONSOLE_RIGHTS, type ConsoleAgent, type ConsoleRight, type ConsoleTenants } from "../../api/console.ts";
import { type Agent, toolKind } from "../../api/agent.ts";
import { type Tenant, tenantNamespace } from "../../api/tenant.ts";
import type { Caches } from "../caches.ts";
import type { Route } from "./call.ts";
import type { Identity } from "./identity.ts";
import { ALL_TENANTS, type Rights, RIGHTS } from "./rights.ts";
import { shownConditions, shownReadiness, tenantLine, tenantView } from "./tenant-view.ts";

/** Who may not see all is asked about for each: so many at most, for each costs a request to the API server. */
const MOST_ASKED = 200;

/** The Tenants that somebody may see. */
async function visible(tenants: Tenant[], rights: Rights, identity: Identity): Promise<Tenant[] | "too many"> {
  if (await rights.may(identity, ALL_TENANTS)) return tenants;
  if (tenants.length > MOST_ASKED) return "too many";
  const answers = await Promise.all(
    tenants.map((it) =>
      rights.may(identity, RIGHTS.tenant({ name: it.metadata.name, namespace: tenantNamespace(it) })),
    ),
  );
  return tenants.filter((_, i) => answers[i]);
}

async function grantedOf(rights: Rights, identity: Identity, tenant: Tenant): Promise<Set<ConsoleRight>> {
  const of = { name: tenant.metadata.name, namespace: tenantNamespace(tenant) };
  const answers = await Promise.all(CONSOLE_RIGHTS.map((it) => rights.may(identity, RIGHTS[it](of))));
  return new Set(CONSOLE_RIGHTS.filter((_, i) => answers[i]));
}

function shownAgent({ metadata, spec, status }: Agent): ConsoleAgent {
  const waits = new Set(spec.approvals?.tools);
  return {
    name: metadata.name,
    model: spec.model,
    mode: spec.mode,
    replicas: spec.replicas,
    readyReplicas: status.readyReplicas ?? 0,
    ready: shownReadiness(status.conditions).ready,
    tools: spec.tools.map((it) => ({ name: it.name, kind: toolKind(it), needsApproval: waits.has(it.name) })),
    encrypted: spec.dataProtection.encryptTranscripts,
    pii: spec.dataProtection.pii,
    conditions: shownConditions(status.conditions),
  };
}

const byName = (a: { metadata: { name: string } }, b: { metadata: { name: string } }): number =>
  a.metadata.name < b.metadata.name ? -1 : 1;

/** Tenants and Agents as the operator's caches have them. `tenantOf` throws a 404. */
export function tenantRoutes(caches: Caches, rights: Rights, tenantOf: (name: string) => Tenant): Route[] {
  const agentsOf = (it: Tenant) => caches.agentsOfNamespace(tenantNamespace(it));
  return [
    {
      method: "GET",
      path: "/tenants",
      right: null,
      async answer({ caller }): Promise<ConsoleTenants> {
        const seen = await visible(caches.tenants.list().sort(byName), rights, caller.identity);
        if (seen === "too many") return { items: [], byNameOnly: true };
        return { items: seen.map((it) => tenantLine(it, agentsOf(it).length)), byNameOnly: false };
      },
    },
    {
      method: "GET",
      path: "/tenants/:tenant",
      right: "tenant",
      async answer({ caller, params }) {
        const tenant = tenantOf(params["tenant"] ?? "");
        return tenantView(tenant, agentsOf(tenant).length, await grantedOf(rights, caller.identity, tenant));
      },
    },
    {
      method: "GET",
      path: "/tenants/:tenant/agents",
      right: "agents",
      async answer({ params }): Promise<{ items: ConsoleAgent[] }> {
        return {
          items: agentsOf(tenantOf(params["tenant"] ?? ""))
            .sort(byName)
            .map(shownAgent),
        };
      },
    },
  ];
}
