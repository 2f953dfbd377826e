import { collectDefaultMetrics, type Registry } from "prom-client";
import type { Agent } from "../api/agent.ts";
import type { Tenant } from "../api/tenant.ts";
import { ControllerMetrics } from "../kubernetes/metrics.ts";
import { observeServers, type ServerFacts } from "./databases/metrics.ts";
import { EncryptionMetrics } from "./encryption/metrics.ts";
import { MigrationMetrics } from "./migrations/metrics.ts";
import { observeNetworkProbe, type ProbeSource } from "./network/probe/metrics.ts";
import { observeReadiness } from "./readiness-metrics.ts";
import { RetentionMetrics } from "./retention/metrics.ts";
import { observeSecurityChecks } from "./security-checks/metrics.ts";
import { observeCredentials } from "./tenant/credential-metrics.ts";
import { observeWatches, type Watch } from "./watch-metrics.ts";

/** What the gauges read when they are scraped. Must not throw: one that does fails the whole scrape. */
export interface OperatorSources {
  tenants(): readonly Tenant[];
  agents(): readonly Agent[];
  watches(): readonly Watch[];
  networkProbe(): ProbeSource | undefined;
  databases(): readonly ServerFacts[];
}

/** All metrics of the operator: whoever adds one makes it here, so that docs/metrics.md, which is made from this, has it. */
export function createOperatorMetrics(registry: Registry, sources: OperatorSources) {
  collectDefaultMetrics({ register: registry });
  const controllers = new ControllerMetrics(registry);
  observeWatches(registry, () => sources.watches());
  observeReadiness(registry, sources);
  observeCredentials(registry, () => sources.tenants());
  observeSecurityChecks(registry, () => sources.tenants());
  observeServers(registry, () => sources.databases());
  observeNetworkProbe(registry, () => sources.networkProbe());
  return {
    controllers,
    migrations: new MigrationMetrics(registry),
    retention: new RetentionMetrics(registry),
    encryption: new EncryptionMetrics(registry),
  };
}
