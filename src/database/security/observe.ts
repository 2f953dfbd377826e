import type { TenantDatabaseNames } from "../../api/names.ts";
import { enterSchema } from "../lifecycle/enter-schema.ts";
import { identifier } from "../quote.ts";
import type { TenantRecord } from "../registry.ts";
import type { Queryable } from "../session.ts";
import { type SecurityReport, securityReports } from "../worker-reports.ts";

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
  /** What the tenant's living processes say of themselves. */
  reports: SecurityReport[];
  /** Agents of which a message was stored in plain text after their last pod had started. */
  plainText: string[];
}

/** The TLS version of this connection. */
async function ownTls(client: Queryable): Promise<string | null> {
  const { rows } = await client.query<{ version: string | null }>(
    "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
  );
  return rows[0]?.version ?? null;
}

/** Messages that are looked at: the newest, by their sessions. */
const MESSAGES = 200;

async function plainTextAgents(client: Queryable, { schema }: TenantDatabaseNames): Promise<string[]> {
  const of = identifier(schema);
  const { rows } = await client.query<{ agent: string }>(
    `SELECT DISTINCT r.agent
       FROM (SELECT run_id, content, created_at FROM ${of}.messages ORDER BY session_id DESC, seq DESC LIMIT $1) m
       JOIN ${of}.runs r ON r.id = m.run_id
      WHERE jsonb_typeof(m.content) = 'array'
        AND m.created_at > (SELECT max(started_at) FROM ${of}.workers w WHERE w.agent = r.agent)`,
    [MESSAGES],
  );
  return rows.map((row) => row.agent);
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

/** Its transaction may be read-only. @throws SchemaNotMigrated */
export async function observeSecurity(client: Queryable, tenant: TenantRecord): Promise<DatabaseSecurity> {
  const own = await ownTls(client);
  const names = await enterSchema(client, tenant);
  return {
    tls: { own, logins: await loginTls(client, names) },
    reports: await securityReports(client, names.schema),
    plainText: await plainTextAgents(client, names),
  };
}
