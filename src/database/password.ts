import { type RoleName, tenantDatabaseNames } from "../api/names.ts";
import type { ConnectionSettings } from "./connection.ts";
import type { Environment } from "./ensure.ts";
import { TenantNotProvisioned } from "./errors.ts";
import { type LoginAttempt, loginWorks, setLoginPassword } from "./login.ts";
import { lockTenant, type Login, type TenantRecord, tenantByUid } from "./registry.ts";
import { hasCode, SQLSTATE } from "./sqlstate.ts";

export interface EnsuredPassword {
  user: RoleName;
  login: Login;
  password: string;
  /** A new password was set; the one that was given did not log in, or there was none. */
  changed: boolean;
  /** With this the tenant's pods connect. */
  connection: ConnectionSettings;
}

/**
 * A password with which the tenant's active login really logs in: `current` if it does, else a new one.
 * An empty or missing one is never used.
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
  const names = tenantDatabaseNames(record.id);
  const login = record.activeLogin;
  const user = names.logins[login];
  const answer = (password: string, changed: boolean): EnsuredPassword => ({
    user,
    login,
    password,
    changed,
    connection: { ...server, user, password },
  });
  if (current && isAccepted(await loginWorks(server, user, current))) return answer(current, false);
  const password = await sessions.fenced(epoch, `setting the password of ${user}`, async (client) => {
    active(await lockTenant(client, uid), uid);
    return setLoginPassword(client, names, login);
  });
  const attempt = await loginWorks(server, user, password);
  if (!isAccepted(attempt))
    throw new TenantNotProvisioned(
      `login ${user} refuses the password that it was just given: another writer changed it; it is tried again`,
    );
  return answer(password, true);
}

/**
 * Where the role's connections are used up, Postgres says so only after the password was right; where the server's are, it
 * says the same before. In both cases there is no reason to change the password of a tenant at work.
 * @throws DatabaseError if no login could be tried
 */
function isAccepted(attempt: LoginAttempt): boolean {
  if (attempt.result !== "cannot connect") return attempt.result === "ok";
  if (hasCode(attempt.error, SQLSTATE.tooManyConnections)) return true;
  throw attempt.error;
}

function active(record: TenantRecord | undefined, uid: string): TenantRecord {
  if (record?.state === "active") return record;
  throw new TenantNotProvisioned(
    `the Tenant with UID ${uid} has no active schema in this database: provision it first`,
  );
}
