import { agentsDashboard } from "./agents.ts";
import type { Dashboard } from "./grafana.ts";
import { operatorDashboard } from "./operator.ts";
import { securityDashboard } from "./security.ts";
import { tenantsDashboard } from "./tenants.ts";

/** The chart's dashboards, by the name of their file. */
export const DASHBOARDS: Record<string, Dashboard> = {
  operator: operatorDashboard,
  tenants: tenantsDashboard,
  agents: agentsDashboard,
  security: securityDashboard,
};
