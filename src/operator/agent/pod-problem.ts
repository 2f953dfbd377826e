import type { Agent } from "../../api/agent.ts";
import type { Tenant } from "../../api/tenant.ts";
import { DatabaseError } from "../../database/errors.ts";
import type { DatabaseServers } from "../databases/servers.ts";
import type { Problem } from "./validate.ts";

/** Agents of one tenant are looked at together, most often: one read serves them all. */
const FOR_MS = 1_000;

type Problems = Map<string, Problem>;

/**
 * What an Agent's pods last wrote about themselves in their tenant's schema. Postgres carries it, because the operator
 * need not be able to reach pods (NetworkPolicy), and a pod must not be able to reach the API server.
 */
export function podProblemSource(
  databases: DatabaseServers,
): (tenant: Tenant, agent: Agent) => Promise<Problem | undefined> {
  const recent = new Map<string, Promise<Problems>>();
  const read = (tenant: Tenant): Promise<Problems> => {
    const { uid } = tenant.metadata;
    const known = recent.get(uid);
    if (known) return known;
    const reading = problemsOf(databases, tenant);
    recent.set(uid, reading);
    setTimeout(() => recent.delete(uid), FOR_MS).unref();
    return reading;
  };
  return async (tenant, agent) => (await read(tenant)).get(agent.metadata.name);
}

async function problemsOf(databases: DatabaseServers, tenant: Tenant): Promise<Problems> {
  try {
    const { uid } = tenant.metadata;
    const reports = await databases.of(tenant).use((it) => it.reportedProblems({ uid }));
    return new Map(reports.flatMap(({ agent, problem }) => (problem ? [[agent, problem]] : [])));
  } catch (error) {
    if (error instanceof DatabaseError && error.reason !== "StaleEpoch") return new Map(); // the Tenant's conditions tell
    throw error;
  }
}
