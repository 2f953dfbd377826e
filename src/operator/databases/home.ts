import type { Tenant } from "../../api/tenant.ts";
import { TenantNotProvisioned } from "../../database/errors.ts";
import type { OperatorConfig } from "../config.ts";
import { DatabaseServerUnknown } from "./errors.ts";
import { DEFAULT_SERVER, type DatabaseServer, serversOf } from "./server-config.ts";

/** The server that a Tenant's status names. One that an operator provisioned before there were several is on the first. */
export const recordedServer = ({ status }: Tenant): string | undefined =>
  status.database?.server ?? (status.schema === undefined ? undefined : DEFAULT_SERVER);

/**
 * The server that holds a Tenant. Where there is only one, that is it before the status says so.
 * @throws DatabaseServerUnknown, TenantNotProvisioned while it is on none
 */
export function serverOf<T>(tenant: Tenant, servers: ReadonlyMap<string, T>): [name: string, server: T] {
  const name = recordedServer(tenant) ?? (servers.size === 1 ? DEFAULT_SERVER : undefined);
  if (name === undefined)
    throw new TenantNotProvisioned(
      `Tenant ${tenant.metadata.name} is on no database server yet: wait until its condition DatabaseReady is True`,
    );
  const server = servers.get(name);
  if (server) return [name, server];
  throw new DatabaseServerUnknown(
    `Tenant ${tenant.metadata.name} is on the database server ${name} (status.database.server), which the operator's configuration does not have; known are: ${[...servers.keys()].join(", ")}; put it back (chart value databases)`,
  );
}

/** The configuration for what is made for one Tenant: its `database` is the server that holds it. @throws as {@link serverOf} */
export function configAt(config: OperatorConfig, tenant: Tenant): OperatorConfig {
  const [, database] = serverOf<DatabaseServer>(tenant, serversOf(config));
  return { ...config, database };
}
