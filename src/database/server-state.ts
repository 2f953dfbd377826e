import { Client, type ClientConfig } from "pg";
import { DatabaseReadOnly, UnsupportedDatabaseEncoding, UnsupportedPostgresVersion } from "./errors.ts";
import { hasCode, SQLSTATE } from "./sqlstate.ts";
import { tagPlainTextServer } from "./tls-failure.ts";

/** The oldest that has what the rights of tenants rest on: CREATEROLE without superuser, and INHERIT and SET of a membership. */
const OLDEST_MAJOR = 16;
const ENCODING = "UTF8";

/** What the server says of itself, by the setting's name. */
type ReportedSettings = ReadonlyMap<string, string>;

const reportedBy = new WeakMap<object, Map<string, string>>();

/** Keeps what the server reports when a session begins and whenever it changes: it is known without a query. A server without TLS is told by a code. */
export class ReportingClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    const reported = new Map<string, string>();
    reportedBy.set(this, reported);
    const { connection } = this as unknown as { connection: Parameters<typeof tagPlainTextServer>[0] };
    tagPlainTextServer(connection);
    connection.on("parameterStatus", (it: { parameterName: string; parameterValue: string }) =>
      reported.set(it.parameterName, it.parameterValue),
    );
  }
}

/**
 * Looks before anything is written.
 * @throws UnsupportedPostgresVersion, UnsupportedDatabaseEncoding
 */
export const refuseUnsupportedServer = (client: object): void => judgeServer(reportedBy.get(client) ?? new Map());

/** A setting that was not reported proves nothing. @throws as {@link refuseUnsupportedServer} */
export function judgeServer(reported: ReportedSettings): void {
  const version = reported.get("server_version");
  if (version !== undefined && Number.parseInt(version, 10) < OLDEST_MAJOR)
    throw new UnsupportedPostgresVersion(
      `the server is Postgres ${version}; AgentPG needs ${OLDEST_MAJOR} or newer: upgrade it, or connect to another; nothing was written`,
    );
  const encoding = reported.get("server_encoding");
  if (encoding !== undefined && encoding !== ENCODING)
    throw new UnsupportedDatabaseEncoding(
      `the database keeps text as ${encoding}, which cannot hold every conversation: create one with ENCODING '${ENCODING}' TEMPLATE template0, owned by the operator's role; nothing was written`,
    );
}

/** A server that does not know a setting with which the operator's sessions begin is too old for it. @throws the error, or what it means */
export function refuseUnknownSetting(error: unknown): never {
  if (!hasCode(error, SQLSTATE.undefinedObject)) throw error;
  throw new UnsupportedPostgresVersion(
    `the server does not know a setting that came with Postgres ${OLDEST_MAJOR}; AgentPG needs ${OLDEST_MAJOR} or newer: upgrade it, or connect to another; nothing was written`,
    error,
  );
}

/** Whether transactions of this session can write, as far as the server said. */
function takesWrites(client: object): boolean {
  const reported = reportedBy.get(client);
  return reported?.get("in_hot_standby") !== "on" && reported?.get("default_transaction_read_only") !== "on";
}

/** @throws DatabaseReadOnly if no write would be taken, although none is due now */
export function refuseReadOnly(client: object): void {
  if (takesWrites(client)) return;
  const isStandby = reportedBy.get(client)?.get("in_hot_standby") === "on";
  throw new DatabaseReadOnly(
    isStandby
      ? "the server is a standby and takes no writes: promote it, or connect to the primary"
      : "the database is read-only (default_transaction_read_only is on): set it to off for the server, the database or the operator's role",
  );
}
