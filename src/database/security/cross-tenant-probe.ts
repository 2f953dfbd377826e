import { Client } from "pg";
import { tenantDatabaseNames } from "../../api/names.ts";
import { clientOptions, type ConnectionSettings } from "../connection.ts";
import { DatabaseError, databaseError } from "../errors.ts";
import { type Identifier, identifier } from "../quote.ts";
import { ownDatabase, type TenantRecord } from "../registry.ts";
import type { Queryable } from "../session.ts";
import { takesOldTls } from "./old-tls-probe.ts";
import { codeOf, hasCode, SQLSTATE } from "../sqlstate.ts";

/** One thing that a tenant's login tried and must not be let do. */
export interface Attempt {
  /** For people, and without a name: `another tenant's sessions`. */
  what: string;
  /** `refused`: by SQLSTATE 42501 · `let in`: it could · else the SQLSTATE with which it failed, which proves nothing. */
  result: "refused" | "let in" | { code: string };
}

export interface CrossTenantProbe {
  attempts: Attempt[];
  /** Whether the server shakes hands over TLS 1.1 or older; undefined: it could not be tried. */
  takesOldTls: boolean | undefined;
}

interface Victim extends Pick<TenantRecord, "id" | "isolation"> {}

/** Any other tenant with a schema; undefined where this is the only one. Each look may choose another. */
export async function anyOtherTenant(client: Queryable, id: string): Promise<Victim | undefined> {
  const { rows } = await client.query<Victim>(
    "SELECT id, isolation FROM agentpg_operator.tenant WHERE id <> $1 AND state = 'active' AND schema_version > 0 ORDER BY random() LIMIT 1",
    [id],
  );
  return rows[0];
}

/** LIMIT 0: rights are checked, and no row is read even where they are missing. */
const READ_NOTHING = "LIMIT 0";

interface Statement {
  what: string;
  sql: string;
}

const registry: Statement = {
  what: "the operator's registry",
  sql: `SELECT FROM agentpg_operator.tenant ${READ_NOTHING}`,
};

function onVictim(id: string): Statement[] {
  const { schema, dataSchema, readWrite, owner } = tenantDatabaseNames(id);
  const read = (name: Identifier, table: string) => `SELECT FROM ${name}.${table} ${READ_NOTHING}`;
  return [
    { what: "another tenant's sessions", sql: read(identifier(schema), "sessions") },
    { what: "another tenant's messages", sql: read(identifier(schema), "messages") },
    // Of what the tenant made in there no name is known: rights on the schema are all there is to ask for.
    {
      what: "another tenant's own tables",
      sql: `DO $$ BEGIN IF NOT has_schema_privilege('${dataSchema}', 'USAGE') THEN RAISE insufficient_privilege; END IF; END $$`,
    },
    { what: "another tenant's role", sql: `SET ROLE ${identifier(readWrite)}` },
    { what: "another tenant's owner", sql: `SET ROLE ${identifier(owner)}` },
  ];
}

interface Visit {
  database: string;
  statements: Statement[];
}

/** Which database the login goes to, and what it tries there. A database that it may not enter at all is an attempt by itself. */
function visits(operatorDatabase: string, own: TenantRecord, victim: Victim | undefined): Visit[] {
  const home = ownDatabase(own) ?? operatorDatabase;
  const victimHome = victim && (ownDatabase(victim) ?? operatorDatabase);
  const inHome = [
    ...(home === operatorDatabase ? [registry] : []),
    ...(victim && victimHome === home ? onVictim(victim.id) : []),
  ];
  const elsewhere = new Set([operatorDatabase, ...(victimHome ? [victimHome] : [])]);
  elsewhere.delete(home);
  return [
    ...(inHome.length > 0 ? [{ database: home, statements: inHome }] : []),
    ...[...elsewhere].map((database) => ({ database, statements: [] })),
  ];
}

const judge = (what: string, error: unknown): Attempt => ({
  what,
  result: hasCode(error, SQLSTATE.insufficientPrivilege) ? "refused" : { code: codeOf(error) ?? "no code" },
});

async function tryOn(client: Client, { what, sql }: Statement): Promise<Attempt> {
  try {
    await client.query(sql);
    await client.query("RESET ROLE");
    return { what, result: "let in" };
  } catch (error) {
    return judge(what, error);
  }
}

/**
 * Logs in as the tenant does, by the network and with its own password, and tries what must be refused. Nothing is read or written.
 * @param settings of the tenant's login; `database` is the operator's
 * @throws DatabaseError when the login does not get to where it could try
 */
export async function probeCrossTenant(
  settings: ConnectionSettings,
  own: TenantRecord,
  victim: Victim | undefined,
): Promise<CrossTenantProbe> {
  const attempts: Attempt[] = [];
  const home = ownDatabase(own) ?? settings.database;
  for (const { database, statements } of visits(settings.database, own, victim)) {
    const client = new Client({
      ...clientOptions({ ...settings, database }, "agentpg-security-check"),
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
    });
    client.on("error", () => {}); // a connection that breaks must not end the process
    const isForeign = database !== home;
    try {
      await client.connect();
      if (isForeign) attempts.push({ what: "a database that is not the tenant's", result: "let in" });
      for (const statement of statements) attempts.push(await tryOn(client, statement));
    } catch (error) {
      if (!isForeign || !hasCode(error, SQLSTATE.insufficientPrivilege))
        throw error instanceof DatabaseError ? error : databaseError(error, "the cross-tenant probe");
      attempts.push({ what: "a database that is not the tenant's", result: "refused" });
    } finally {
      await client.end().catch(() => {});
    }
  }
  return { attempts, takesOldTls: await takesOldTls(settings) };
}
