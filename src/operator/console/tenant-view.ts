import {
  CONSOLE_RIGHTS,
  type ConsoleCondition,
  type ConsoleRight,
  type ConsoleSpendLimit,
  type ConsoleTenant,
  type ConsoleTenantLine,
} from "../../api/console.ts";
import type { Condition } from "../../api/resource.ts";
import { type Tenant, tenantNamespace } from "../../api/tenant.ts";

export const shownConditions = (conditions: readonly Condition[] = []): ConsoleCondition[] =>
  conditions.map(({ type, status, reason, message, lastTransitionTime: since }) => ({
    type,
    status,
    reason,
    message,
    since,
  }));

export function shownReadiness(conditions: readonly Condition[] = []): Pick<ConsoleTenantLine, "ready" | "reason"> {
  const ready = conditions.find((it) => it.type === "Ready");
  return { ready: ready?.status ?? "Unknown", reason: ready?.reason ?? "NotReconciled" };
}

/** A Tenant in the list of all. */
export function tenantLine(tenant: Tenant, agents: number): ConsoleTenantLine {
  const checks = tenant.status.securityChecks ?? [];
  return {
    name: tenant.metadata.name,
    namespace: tenantNamespace(tenant),
    ...shownReadiness(tenant.status.conditions),
    paused: tenant.spec.paused,
    agents,
    failedChecks: checks.filter((it) => it.status === "Failed").length,
    checks: checks.length,
  };
}

const shownLimit = (limit: Tenant["spec"]["budget"]["perDay"]): ConsoleSpendLimit | null =>
  limit ? { usd: limit.usd ?? null, tokens: limit.tokens ?? null } : null;

export const shownBudget = ({ budget }: Tenant["spec"]): ConsoleTenant["budget"] => ({
  perDay: shownLimit(budget.perDay),
  perMonth: shownLimit(budget.perMonth),
});

/** All that is shown of a Tenant itself. Pure. */
export function tenantView(tenant: Tenant, agents: number, granted: ReadonlySet<ConsoleRight>): ConsoleTenant {
  const { spec, status, metadata } = tenant;
  return {
    ...tenantLine(tenant, agents),
    rights: Object.fromEntries(CONSOLE_RIGHTS.map((it) => [it, granted.has(it)])) as Record<ConsoleRight, boolean>,
    createdAt: metadata.creationTimestamp ? new Date(metadata.creationTimestamp).toISOString() : null,
    schema: status.schema ?? null,
    schemaVersion: status.schemaVersion ?? null,
    isolation: spec.database.isolation,
    deletionPolicy: spec.deletionPolicy,
    conditions: shownConditions(status.conditions),
    securityChecks: status.securityChecks ?? [],
    budget: shownBudget(spec),
    retention: spec.retention,
  };
}
