import { type TenantDatabaseNames, tenantDatabaseNames } from "../../api/names.ts";
import { identifier } from "../quote.ts";
import type { Queryable } from "../session.ts";

/** How the connections of a tenant's logins are protected, as the server says. */
export interface LoginConnections {
  plain: number;
  /** Each TLS version that is in use, as `TLSv1.3`. */
  versions: string[];
}

/** What the database shows of a tenant's security. */
export interface DatabaseSecurity {
  tls: {
    /** The TLS version of the operator's own connection; null: plain text. */
    own: string | null;
    logins: LoginConnections;
  };
}

/** The TLS version of this connection. */
async function ownTls(client: Queryable): Promise<string | null> {
  const { rows } = await client.query<{ version: string | null }>(
    "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
  );
  return rows[0]?.version ?? null;
}

/** Behind a pooler these are the pooler's own connections to the server. The client has to act as the tenant's owner, who has the rights of the logins. */
async function loginTls(client: Queryable, { logins }: TenantDatabaseNames): Promise<LoginConnections> {
  const { rows } = await client.query<{ plain: number; versions: string[] | null }>(
    `SELECT (count(*) FILTER (WHERE NOT s.ssl))::int AS plain, array_agg(DISTINCT s.version) FILTER (WHERE s.ssl) AS versions
       FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE a.usename = ANY($1)`,
    [[logins.a, logins.b]],
  );
  return { plain: rows[0]?.plain ?? 0, versions: rows[0]?.versions ?? [] };
}

/** Its transaction may be read-only; it acts as the tenant's owner from here on. */
export async function observeSecurity(client: Queryable, tenantId: string): Promise<DatabaseSecurity> {
  const names = tenantDatabaseNames(tenantId);
  const own = await ownTls(client);
  await client.query(`SET LOCAL ROLE ${identifier(names.owner)}`);
  return { tls: { own, logins: await loginTls(client, names) } };
}
