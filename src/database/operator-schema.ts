import { InsufficientPrivilege } from "./errors.ts";
import type { Queryable } from "./session.ts";

/** The operator's own tables, one list of statements per version. Forward only, like the tenants' migrations. */
const VERSIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE agentpg_operator.leader (
       cluster_uid text PRIMARY KEY,
       epoch bigint NOT NULL,
       holder text NOT NULL,
       acquired_at timestamptz NOT NULL DEFAULT now()
     )`,
    // tenant_name and tenant_uid are unique over all clusters that share the database: a claim cannot be made twice.
    `CREATE TABLE agentpg_operator.tenant (
       id text PRIMARY KEY CHECK (id ~ '^t_[0-9a-f]{12}$'),
       tenant_name text NOT NULL UNIQUE,
       tenant_uid text NOT NULL UNIQUE,
       cluster_uid text NOT NULL,
       namespace text NOT NULL,
       state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'retained', 'deleting')),
       active_login text NOT NULL DEFAULT 'a' CHECK (active_login IN ('a', 'b')),
       epoch bigint NOT NULL,
       schema_version integer NOT NULL DEFAULT 0,
       created_at timestamptz NOT NULL DEFAULT now(),
       updated_at timestamptz NOT NULL DEFAULT now(),
       retained_at timestamptz CHECK ((retained_at IS NULL) = (state <> 'retained'))
     )`,
    // Transactions that change the rights on the database itself take turns on this row: Postgres fails when two change the same catalog row.
    `CREATE TABLE agentpg_operator.database_rights (single boolean PRIMARY KEY DEFAULT true CHECK (single))`,
    `INSERT INTO agentpg_operator.database_rights DEFAULT VALUES`,
  ],
  [
    `ALTER TABLE agentpg_operator.tenant
       ADD COLUMN credentials_revision text,
       ADD COLUMN password_changed_at timestamptz,
       ADD COLUMN rotation_request text,
       ADD COLUMN rotation jsonb CHECK (rotation->>'step' IN ('opening', 'draining', 'closing'))`,
  ],
  [
    // paused: {"reason", "message"}. failures: by Tenant UID, {"kind", "message", "attempts", "retryAt"}.
    `CREATE TABLE agentpg_operator.migration_rollout (
       cluster_uid text PRIMARY KEY,
       target_version integer NOT NULL,
       target_checksum text NOT NULL,
       paused jsonb,
       failures jsonb NOT NULL,
       epoch bigint NOT NULL,
       updated_at timestamptz NOT NULL DEFAULT now()
     )`,
  ],
  [
    // A tenant's last retention run that succeeded. removed: rows by kind.
    `CREATE TABLE agentpg_operator.retention (
       tenant_id text PRIMARY KEY REFERENCES agentpg_operator.tenant (id) ON DELETE CASCADE,
       ran_at timestamptz NOT NULL,
       removed jsonb NOT NULL
     )`,
  ],
  [
    // database: the tenant has a database of its own, named like its id.
    `ALTER TABLE agentpg_operator.tenant
       ADD COLUMN isolation text NOT NULL DEFAULT 'schema' CHECK (isolation IN ('schema', 'database'))`,
  ],
  [
    // A tenant's data keys, each wrapped by the key-encryption key that kek names. pending: pods can read with it, and do not write
    // with it yet. current: they do. request: the last request for a new generation when this one was made.
    `CREATE TABLE agentpg_operator.data_key (
       tenant_id text REFERENCES agentpg_operator.tenant (id) ON DELETE CASCADE,
       generation integer NOT NULL CHECK (generation > 0),
       kek text NOT NULL,
       wrapped bytea NOT NULL,
       state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'current', 'former')),
       request text,
       created_at timestamptz NOT NULL DEFAULT now(),
       published_at timestamptz,
       PRIMARY KEY (tenant_id, generation)
     )`,
    `CREATE UNIQUE INDEX ON agentpg_operator.data_key (tenant_id) WHERE state = 'current'`,
    `CREATE INDEX ON agentpg_operator.data_key (kek)`,
  ],
  [
    // The end of a tenant's audit log when it was last found whole: out of reach of the tenant's logins, so that a log that was cut
    // off before it, or written anew, is seen.
    `CREATE TABLE agentpg_operator.audit_anchor (
       tenant_id text PRIMARY KEY REFERENCES agentpg_operator.tenant (id) ON DELETE CASCADE,
       seq bigint NOT NULL,
       hash bytea NOT NULL,
       verified_at timestamptz NOT NULL DEFAULT now()
     )`,
  ],
  [
    // selector: which Tenants are this operator's, as a label selector; empty: all.
    `ALTER TABLE agentpg_operator.leader ADD COLUMN selector text NOT NULL DEFAULT ''`,
  ],
];

async function versionOf(client: Queryable): Promise<number> {
  const { rows } = await client.query<{ found: boolean }>(
    "SELECT to_regclass('agentpg_operator.schema_version') IS NOT NULL AS found",
  );
  if (!rows[0]?.found) return 0;
  const version = await client.query<{ version: number }>("SELECT version FROM agentpg_operator.schema_version");
  return version.rows[0]?.version ?? 0;
}

/** Whether this database has an operator's schema at all, of whichever version. */
export const hasOperatorSchema = async (client: Queryable): Promise<boolean> => (await versionOf(client)) > 0;

/** Whether {@link bootstrap} has nothing to do. */
export async function isBootstrapped(client: Queryable): Promise<boolean> {
  return (await versionOf(client)) >= VERSIONS.length && !(await publicMayConnect(client));
}

/**
 * Makes the operator's schema and takes PUBLIC's rights on the database away, in the caller's transaction. Of two that run
 * at once, the second waits at CREATE SCHEMA and then fails with unique_violation: call it again.
 * @throws InsufficientPrivilege unless the role owns the database
 */
export async function bootstrap(client: Queryable): Promise<void> {
  await client.query("CREATE SCHEMA IF NOT EXISTS agentpg_operator");
  await client.query("CREATE TABLE IF NOT EXISTS agentpg_operator.schema_version (version integer NOT NULL)");
  await client.query("LOCK TABLE agentpg_operator.schema_version IN EXCLUSIVE MODE");
  for (let version = await versionOf(client); version < VERSIONS.length; version++) {
    for (const statement of VERSIONS[version] ?? []) await client.query(statement);
    await client.query("DELETE FROM agentpg_operator.schema_version");
    await client.query("INSERT INTO agentpg_operator.schema_version VALUES ($1)", [version + 1]);
  }
  await closeToPublic(client);
}

const publicMayConnect = async (client: Queryable): Promise<boolean> => {
  const { rows } = await client.query<{ open: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) e
                     WHERE d.datname = current_database() AND e.grantee = 0)
         OR EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) e WHERE n.nspname = 'public' AND e.grantee = 0) AS open`,
  );
  return rows[0]?.open ?? true;
};

async function closeToPublic(client: Queryable): Promise<void> {
  if (!(await publicMayConnect(client))) return;
  const { rows } = await client.query<{ database: string }>("SELECT format('%I', current_database()) AS database");
  await client.query(`REVOKE ALL ON DATABASE ${rows[0]?.database} FROM PUBLIC`);
  const schema = await client.query("SELECT FROM pg_namespace WHERE nspname = 'public'");
  if (schema.rows.length > 0) await client.query("REVOKE ALL ON SCHEMA public FROM PUBLIC");
  // A REVOKE by somebody who did not grant is only a warning to Postgres, so the result is looked at.
  if (await publicMayConnect(client)) {
    throw new InsufficientPrivilege(
      `PUBLIC still has rights on database ${rows[0]?.database} or its schema public: make the operator's role the owner of the database (ALTER DATABASE … OWNER TO …)`,
    );
  }
}
