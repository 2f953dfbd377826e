import type { Agent } from "../../api/agent.ts";
import type { Tenant } from "../../api/tenant.ts";
import { DatabaseError } from "../../database/errors.ts";
import type { DatabaseAccess } from "../database-access.ts";
import type { Problem } from "./validate.ts";

/**
 * What an Agent's pods last wrote about themselves in their tenant's schema. Postgres carries it, because the operator
 * need not be able to reach pods (NetworkPolicy), and a pod must not be able to reach the API server.
 */
export function podProblemSource(
  database: DatabaseAccess,
): (tenant: Tenant, agent: Agent) => Promise<Problem | undefined> {
  return async (tenant, agent) => {
    try {
      const reports = await database.use((it) => it.workerReports({ uid: tenant.metadata.uid }, agent.metadata.name));
      return reports.find(({ problem }) => problem)?.problem ?? undefined; // the youngest pod has the newest configuration
    } catch (error) {
      if (error instanceof DatabaseError && error.reason !== "StaleEpoch") return undefined; // the Tenant's conditions tell
      throw error;
    }
  };
}
