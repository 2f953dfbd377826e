import { Gauge, type Registry } from "prom-client";
import type { Agent } from "../api/agent.ts";
import type { Condition } from "../api/resource.ts";
import { tenantNamespace, type Tenant } from "../api/tenant.ts";

interface Conditioned {
  metadata: { name: string; deletionTimestamp?: string | Date | undefined };
  status: { conditions?: Condition[] | undefined };
}

const STATES = ["ready", "not_ready", "paused", "deleting"] as const;
type State = (typeof STATES)[number];

const conditionOf = ({ status }: Conditioned, type: string): Condition | undefined =>
  status.conditions?.find((it) => it.type === type);
const readyOf = (it: Conditioned): Condition | undefined => conditionOf(it, "Ready");

/** What an object is in, for whoever counts them. */
function readinessState(it: Conditioned): State {
  if (it.metadata.deletionTimestamp) return "deleting";
  if (conditionOf(it, "Paused")?.status === "True") return "paused";
  return readyOf(it)?.status === "True" ? "ready" : "not_ready";
}

const secondsSince = (time: string | Date): number => Math.max(0, (Date.now() - new Date(time).getTime()) / 1000);

/**
 * Tenants and Agents by readiness. What is ready is only counted; what is not has a series of its own, with the reason, so that
 * the series are as many as the troubles, not as many as the objects.
 */
export function observeReadiness(
  registry: Registry,
  sources: { tenants(): readonly Tenant[]; agents(): readonly Agent[] },
): void {
  const read = { tenants: () => sources.tenants(), agents: () => sources.agents() };
  countStates(registry, "agentpg_tenants", "Tenants", read.tenants);
  countStates(registry, "agentpg_agents", "Agents", read.agents);
  new Gauge({
    name: "agentpg_tenant_not_ready_seconds",
    help: "How long a Tenant has not been ready, in seconds, by the reason of its condition; absent while it is, or is paused.",
    labelNames: ["tenant", "reason"],
    registers: [registry],
    collect() {
      this.reset();
      for (const it of read.tenants()) {
        const ready = readyOf(it);
        if (!ready || readinessState(it) !== "not_ready") continue;
        this.set({ tenant: it.metadata.name, reason: ready.reason }, secondsSince(ready.lastTransitionTime));
      }
    },
  });
  new Gauge({
    name: "agentpg_tenant_deletion_seconds",
    help: "How long a deleted Tenant has been there still, in seconds, by the reason that blocks it (empty: none does).",
    labelNames: ["tenant", "reason"],
    registers: [registry],
    collect() {
      this.reset();
      for (const it of read.tenants()) {
        const { name: tenant, deletionTimestamp } = it.metadata;
        if (!deletionTimestamp) continue;
        const blocked = conditionOf(it, "DeletionBlocked");
        const reason = blocked?.status === "True" ? blocked.reason : "";
        this.set({ tenant, reason }, secondsSince(deletionTimestamp));
      }
    },
  });
  new Gauge({
    name: "agentpg_agent_not_ready_seconds",
    help: "How long an Agent has not been ready, in seconds, by the reason of its condition; absent while it is.",
    labelNames: ["tenant", "agent", "reason"],
    registers: [registry],
    collect() {
      this.reset();
      const tenants = new Map(read.tenants().map((it) => [tenantNamespace(it), it.metadata.name]));
      for (const it of read.agents()) {
        const ready = readyOf(it);
        if (!ready || readinessState(it) !== "not_ready") continue;
        const { name: agent, namespace = "" } = it.metadata;
        const tenant = tenants.get(namespace) ?? "";
        this.set({ tenant, agent, reason: ready.reason }, secondsSince(ready.lastTransitionTime));
      }
    },
  });
}

function countStates(registry: Registry, name: string, what: string, objects: () => readonly Conditioned[]): void {
  new Gauge({
    name,
    help: `${what} by state: ready, not_ready, paused, deleting.`,
    labelNames: ["state"],
    registers: [registry],
    collect() {
      const counts = Object.fromEntries(STATES.map((it) => [it, 0])) as Record<State, number>;
      for (const it of objects()) counts[readinessState(it)]++;
      for (const state of STATES) this.set({ state }, counts[state]);
    },
  });
}
