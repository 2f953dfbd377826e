import type { Tenant } from "../../api/tenant.ts";
import type { OperatorConfig } from "../config.ts";
import { DatabaseAccess } from "./database-access.ts";
import { recordedServer, serverOf } from "./home.ts";
import { DEFAULT_SERVER, serversOf } from "./server-config.ts";

type AccessOptions = ConstructorParameters<typeof DatabaseAccess>[0];

/** All database servers of this operator. None waits for another. */
export class DatabaseServers {
  readonly #servers: ReadonlyMap<string, DatabaseAccess>;

  constructor(
    config: Pick<OperatorConfig, "database" | "databases" | "concurrency">,
    shared: Omit<AccessOptions, "name" | "config" | "isOneOfSeveral" | "room">,
  ) {
    const servers = [...serversOf(config)];
    const several = { isOneOfSeveral: servers.length > 1, room: Math.max(1, Math.floor(config.concurrency / 2)) };
    this.#servers = new Map(
      servers.map(([name, it]) => [name, new DatabaseAccess({ ...shared, ...several, name, config: it })]),
    );
  }

  /** In the order of the configuration, `default` first. */
  all(): DatabaseAccess[] {
    return [...this.#servers.values()];
  }

  get(name: string): DatabaseAccess | undefined {
    return this.#servers.get(name);
  }

  /** The one that holds a Tenant. @throws DatabaseServerUnknown, TenantNotProvisioned while it is on none */
  of(tenant: Tenant): DatabaseAccess {
    return serverOf(tenant, this.#servers)[1];
  }

  /** Those of the Tenants that a server holds, as far as their status tells. */
  tenantsOn(server: string, tenants: readonly Tenant[]): Tenant[] {
    const unrecorded = this.#servers.size === 1 ? DEFAULT_SERVER : undefined;
    return tenants.filter((it) => (recordedServer(it) ?? unrecorded) === server);
  }

  async close(): Promise<void> {
    await Promise.all(this.all().map((it) => it.close()));
  }
}
