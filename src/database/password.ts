import { type RoleName, tenantDatabaseNames } from "../api/names.ts";
import type { ConnectionSettings } from "./connection.ts";
import type { Environment } from "./ensure.ts";
import { DatabaseAuthenticationFailed, LoginRefusedForAgents, TenantNotProvisioned } from "./errors.ts";
import { isAccepted, loginWorks } from "./login.ts";
import { type Login, ownDatabase, type TenantRecord, tenantByUid } from "./registry.ts";
import { noteRevision, setFirstPassword } from "./rotation/steps.ts";

export interface EnsuredPassword {
  user: RoleName;
  login: Login;
  password: string;
  /** A new password was set; the one that was given did not log in, or there was none. */
  changed: boolean;
  /** With this the tenant's pods connect. */
  connection: ConnectionSettings;
}

/** Where pods reach the database, when that is another address than the operator's. */
export interface AgentPath {
  host: string;
  port: number;
}

/** How the tenant's login connects, by the operator's own path. */
export function loginSettings(
  server: ConnectionSettings,
  record: TenantRecord,
  { login, password }: { login: Login; password: string },
): ConnectionSettings {
  const user = tenantDatabaseNames(record.id).logins[login];
  return { ...server, database: ownDatabase(record) ?? server.database, user, password };
}

/**
 * A password with which the tenant's active login really logs in: `current` if it does, else a new one, at once: for a tenant
 * that nobody uses. `ensureCredentials` is for all others. An empty or missing password is never used.
 * @throws TenantNotProvisioned before the tenant is provisioned, and the other DatabaseErrors
 */
export async function ensurePassword(
  { sessions }: Environment,
  server: ConnectionSettings,
  uid: string,
  current: string | undefined,
  epoch: number,
): Promise<EnsuredPassword> {
  const record = active(await sessions.read("looking for the tenant", (client) => tenantByUid(client, uid)), uid);
  const login = record.activeLogin;
  const answer = (password: string, changed: boolean): EnsuredPassword => {
    const connection = loginSettings(server, record, { login, password });
    return { user: tenantDatabaseNames(record.id).logins[login], login, password, changed, connection };
  };
  if (current && (await isAccepted(answer(current, false).connection))) return answer(current, false);
  const { password } = await sessions.fenced(epoch, `setting the password of ${record.id}`, async (client) => {
    const fresh = await setFirstPassword(client, record, epoch, undefined);
    await noteRevision(client, record, epoch, fresh.revision);
    return fresh;
  });
  await proveLogin(answer(password, true).connection, undefined);
  return answer(password, true);
}

/**
 * Logs in as a pod will, over the network. Where pods go by another address it is tried too; one that cannot be reached from
 * here proves nothing (the operator may stand elsewhere), one that refuses the password does.
 * @throws DatabaseError
 */
export async function proveLogin(settings: ConnectionSettings, agentPath: AgentPath | undefined): Promise<void> {
  if (!(await isAccepted(settings)))
    throw new TenantNotProvisioned(
      `login ${settings.user} refuses the password that it was just given: another writer changed it; it is tried again`,
    );
  if (!agentPath) return;
  const { host, port } = agentPath;
  const attempt = await loginWorks({ ...settings, host, port }, settings.user, settings.password);
  const isRefused = attempt.result === "cannot connect" && attempt.error instanceof DatabaseAuthenticationFailed;
  if (attempt.result === "wrong password" || isRefused)
    throw new LoginRefusedForAgents(
      `${host}:${port}, where agents connect, refuses login ${settings.user}, which Postgres lets in: let the pooler look passwords up in Postgres (PgBouncer: auth_query); nothing was published`,
    );
}

function active(record: TenantRecord | undefined, uid: string): TenantRecord {
  if (record?.state === "active") return record;
  throw new TenantNotProvisioned(
    `the Tenant with UID ${uid} has no active schema in this database: provision it first`,
  );
}
