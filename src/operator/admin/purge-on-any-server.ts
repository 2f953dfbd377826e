import { DatabaseError, NothingRetained } from "../../database/errors.ts";
import type { TenantRecord } from "../../database/tenants.ts";
import type { DatabaseAccess } from "../databases/database-access.ts";

/**
 * Purges what a deleted Tenant left, on the first server that has it.
 * @throws NothingRetained when none has; what a server said that could not be asked, for it may have it; and what the purge throws
 */
export async function purgeOnAnyServer(servers: readonly DatabaseAccess[], name: string): Promise<TenantRecord> {
  const nothing: NothingRetained[] = [];
  const silent: DatabaseError[] = [];
  for (const server of servers) {
    try {
      return await server.use((it, epoch) => it.lifecycle.purgeRetained(name, epoch));
    } catch (error) {
      if (error instanceof NothingRetained) nothing.push(error);
      else if (error instanceof DatabaseError && error.reason !== "StaleEpoch") silent.push(error);
      else throw error;
    }
  }
  const [first, ...more] = nothing;
  if (silent[0]) throw silent[0];
  if (first && more.length === 0) throw first;
  throw new NothingRetained(nothing.map((it) => it.message).join("; "));
}
