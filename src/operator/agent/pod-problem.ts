import type { Agent } from "../../api/agent.ts";
import type { Tenant } from "../../api/tenant.ts";
import type { DatabaseAccess } from "../database-access.ts";
import type { Problem } from "./validate.ts";

/**
 * What an Agent's pods last wrote about themselves in their tenant's schema. Postgres carries it, because the operator
 * need not be able to reach pods (NetworkPolicy), and a pod must not be able to reach the API server.
 */
export function podProblemSource(
  database: DatabaseAccess,
): (tenant: Tenant, agent: Agent) => Promise<Problem | undefined> {
  void database;
  return () => Promise.resolve(undefined);
}
