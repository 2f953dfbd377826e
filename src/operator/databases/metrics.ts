import { Gauge, type Registry } from "prom-client";

/** What is shown of a database server. */
export interface ServerFacts {
  name: string;
  /** Whether it answered when it was last asked; undefined before. */
  isUp: boolean | undefined;
  /** Tenants that it holds, as far as their status tells. */
  tenants: number;
}

/** One series for each server of the operator's configuration. */
export function observeServers(registry: Registry, servers: () => readonly ServerFacts[]): void {
  new Gauge({
    name: "agentpg_database_up",
    help: "1 for a database server that answered when the operator last asked it, 0 for one that could not be reached. Told by the leader.",
    labelNames: ["server"],
    registers: [registry],
    collect() {
      for (const { name, isUp } of servers()) if (isUp !== undefined) this.set({ server: name }, Number(isUp));
    },
  });
  new Gauge({
    name: "agentpg_database_tenants",
    help: "Tenants on a database server.",
    labelNames: ["server"],
    registers: [registry],
    collect() {
      for (const { name, tenants } of servers()) this.set({ server: name }, tenants);
    },
  });
}
