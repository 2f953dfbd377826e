import { scrubText } from "../telemetry/scrub.ts";
import { classify, codeOf } from "./sqlstate.ts";
import { tlsRemedy } from "./tls-failure.ts";

/** Everything that this folder throws on purpose. The message says what failed and what to do, and holds no secret. */
export class DatabaseError extends Error {
  override readonly name: string = "DatabaseError";
  /** SQLSTATE or system code of the cause. */
  readonly code: string | undefined;
  /** Whether the same call can succeed later without anybody changing anything but the database's state. */
  readonly retryable: boolean = true;

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = codeOf(cause);
  }

  /** In CamelCase, fit for the reason of a Kubernetes condition. */
  get reason(): string {
    return this.name;
  }

  /** Which of several servers this is about, once. */
  #server: string | undefined;

  /** Says in the message which of several servers it is about; the first one that does is right. */
  at(server: string): this {
    if (this.#server !== undefined) return this;
    this.#server = server;
    this.message = `database server ${server}: ${this.message}`;
    return this;
  }
}

/** It lies with the server's state or the way to it, not with what was asked: the same call works once that is mended. */
export class DatabaseOutage extends DatabaseError {}

/** No connection, or it broke. */
export class DatabaseUnreachable extends DatabaseOutage {
  override readonly name = "DatabaseUnreachable";
}
/** The server knows neither this user nor this password. */
export class DatabaseAuthenticationFailed extends DatabaseOutage {
  override readonly name = "DatabaseAuthenticationFailed";
}
/** No TLS, or a certificate that does not prove the server. */
export class DatabaseTlsFailed extends DatabaseOutage {
  override readonly name = "DatabaseTlsFailed";
}
export class DatabaseMissing extends DatabaseOutage {
  override readonly name = "DatabaseMissing";
}
/** A lock, a time-out or a conflict: the next attempt will probably do. */
export class DatabaseBusy extends DatabaseOutage {
  override readonly name = "DatabaseBusy";
}
/** A standby, or a server or database that somebody made read-only. */
export class DatabaseReadOnly extends DatabaseOutage {
  override readonly name = "DatabaseReadOnly";
}
/** The server has no space left on a disk. */
export class DatabaseFull extends DatabaseOutage {
  override readonly name = "DatabaseFull";
}
/** All connections that the server, the database or the role may have are in use. */
export class DatabaseConnectionsExhausted extends DatabaseOutage {
  override readonly name = "DatabaseConnectionsExhausted";
}
/** A pooler in transaction mode is in between, and nobody said so. */
export class DatabasePoolerUnexpected extends DatabaseOutage {
  override readonly name = "DatabasePoolerUnexpected";
}
/** The server is out of memory or of another resource. */
export class DatabaseResourcesExhausted extends DatabaseOutage {
  override readonly name = "DatabaseResourcesExhausted";
}
/** The server is older than what AgentPG's rights rest on. */
export class UnsupportedPostgresVersion extends DatabaseError {
  override readonly name = "UnsupportedPostgresVersion";
}
/** The database does not keep text as UTF-8. */
export class UnsupportedDatabaseEncoding extends DatabaseError {
  override readonly name = "UnsupportedDatabaseEncoding";
}
/** The operator's role may not do this; somebody with more rights has to act. */
export class InsufficientPrivilege extends DatabaseError {
  override readonly name = "InsufficientPrivilege";
}
/** Somebody made other objects depend on the tenant's roles, for example in another database. */
export class DependentObjectsRemain extends DatabaseError {
  override readonly name = "DependentObjectsRemain";
}
/** A newer leader has taken over, or the database knows nothing of this one: this process must not write any more. */
export class StaleEpoch extends DatabaseError {
  override readonly name = "StaleEpoch";
  override readonly retryable = false;
}
/** The tenant's name is claimed in this database by another cluster. */
export class SchemaClaimedByOther extends DatabaseError {
  override readonly name = "SchemaClaimedByOther";
  override readonly retryable = false;
}
/** Another operator of the cluster has the Tenant: only that one writes to it. */
export class HeldByOtherOperator extends DatabaseError {
  override readonly name = "HeldByOtherOperator";
}
/** An earlier Tenant of this name left its data here. */
export class RetainedByEarlierTenant extends DatabaseError {
  override readonly name = "RetainedByEarlierTenant";
  override readonly retryable = false;
}
/** The data of this name is in a schema where a database was asked for, or the other way round. */
export class IsolationDiffers extends DatabaseError {
  override readonly name = "IsolationDiffers";
  override readonly retryable = false;
}
/** The data of this name is being deleted. */
export class TenantBeingDeleted extends DatabaseError {
  override readonly name = "TenantBeingDeleted";
}
/** Nothing was ever provisioned for this Tenant. */
export class TenantNotProvisioned extends DatabaseError {
  override readonly name = "TenantNotProvisioned";
}
/** The schema has migrations that this program does not know. */
export class DatabaseNewerThanProgram extends DatabaseError {
  override readonly name = "DatabaseNewerThanProgram";
  override readonly retryable = false;
}
/** A migration file is not what was applied under its number, or the folder is not in order. */
export class MigrationChanged extends DatabaseError {
  override readonly name = "MigrationChanged";
  override readonly retryable = false;
}
/** A migration's SQL failed; nothing of it was kept. */
export class MigrationFailed extends DatabaseError {
  override readonly name = "MigrationFailed";
}
/** The schema lacks a migration that is needed here; a rollout may hold it back. */
export class SchemaNotMigrated extends DatabaseError {
  override readonly name = "SchemaNotMigrated";
}
/** There is no retained data of this name. */
export class NothingRetained extends DatabaseError {
  override readonly name = "NothingRetained";
  override readonly retryable = false;
}
/** A user has more sessions than are exported one by one. */
export class TooManySessions extends DatabaseError {
  override readonly name = "TooManySessions";
  override readonly retryable = false;
}
/** The audit log is not the one that was written. */
export class AuditChainBroken extends DatabaseError {
  override readonly name = "AuditChainBroken";
  override readonly retryable = false;
}
/** Connections of closed logins would not go away. */
export class BackendsRemain extends DatabaseError {
  override readonly name = "BackendsRemain";
}

/** Where pods connect (a pooler), a login is refused that Postgres itself lets in. */
export class LoginRefusedForAgents extends DatabaseError {
  override readonly name = "LoginRefusedForAgents";
}

/** Any error as one of this tree. `doing` completes the sentence "… failed while …". */
export function databaseError(error: unknown, doing: string): DatabaseError {
  if (error instanceof DatabaseError) return error;
  const code = codeOf(error);
  const failed = `Postgres: ${doing} failed${code ? ` (${code})` : ""}`;
  switch (classify(error)) {
    case "unreachable":
      return new DatabaseUnreachable(
        `${failed}: the server cannot be reached or closed the connection; check host, port, network policy and that it runs`,
        error,
      );
    case "authentication":
      return new DatabaseAuthenticationFailed(
        `${failed}: the server refused the login; check user and password in the Secret, and pg_hba.conf`,
        error,
      );
    case "tls":
      return new DatabaseTlsFailed(`${failed}: ${tlsRemedy(code)}`, error);
    case "missing":
      return new DatabaseMissing(
        `${failed}: the database does not exist; create it, owned by the operator's role`,
        error,
      );
    case "privilege":
      return new InsufficientPrivilege(
        `${failed}: the operator's role lacks a right (${text(error)}); it has to own the database, have CREATEROLE, and have made the tenant's roles itself or hold ADMIN on them`,
        error,
      );
    case "busy":
      return new DatabaseBusy(`${failed}: a lock, time-out or conflict (${text(error)}); it is tried again`, error);
    case "readOnly":
      return new DatabaseReadOnly(
        `${failed}: the database takes no writes (${text(error)}); promote the standby or connect to the primary, or set default_transaction_read_only to off`,
        error,
      );
    case "full":
      return new DatabaseFull(
        `${failed}: the server has no disk space left (${text(error)}); give it more, or remove what fills it`,
        error,
      );
    case "crowded":
      return new DatabaseConnectionsExhausted(
        `${failed}: no connection is free (${text(error)}); raise max_connections, or the limit of the role or the database, or look in pg_stat_activity for who holds them`,
        error,
      );
    case "exhausted":
      return new DatabaseResourcesExhausted(
        `${failed}: the server is short of a resource (${text(error)}); give it more memory, or fewer connections`,
        error,
      );
    case "pooler":
      return new DatabasePoolerUnexpected(
        `${failed}: a pooler in transaction mode is in between (${text(error)}); for agents say so with the chart value database.pooler: Transaction, or AGENTPG_POOLER=Transaction for an agent run alone; the operator itself has to reach Postgres directly (database.host)`,
        error,
      );
    case "dependents":
      return new DependentObjectsRemain(
        `${failed}: other objects depend on it (${text(error)}); drop or reassign them, other databases of the server included`,
        error,
      );
    case "other":
      return new DatabaseError(`${failed}: ${text(error)}`, error);
  }
}

/** Postgres' own sentence: names of objects, never values that a client sent, and scrubbed all the same. */
const text = (error: unknown): string => scrubText(error instanceof Error ? error.message : String(error));
