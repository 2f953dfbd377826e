import { type RoleName, tenantDatabaseNames } from "../../api/names.ts";
import { DatabaseBusy, TenantNotProvisioned } from "../errors.ts";
import { setLoginPassword, storePassword } from "../login.ts";
import { identifier } from "../quote.ts";
import { lockTenant, refuseIfHeldByOther, type Login, otherLogin, type TenantRecord } from "../registry.ts";
import type { Queryable } from "../session.ts";
import type { RotationReason } from "./decide.ts";
import { revisionOf } from "./revision.ts";
import { endSessions } from "./sessions.ts";

/** One transaction each: the registry's row says where a rotation stands, and changes together with the roles. */

/** A password that was just set. */
export interface FreshPassword {
  login: Login;
  user: RoleName;
  password: string;
  revision: string;
}

/**
 * The row, locked, if it still is what was looked at.
 * @throws DatabaseBusy when somebody else went on with it
 */
async function lockAsSeen(client: Queryable, seen: TenantRecord): Promise<TenantRecord> {
  const record = await lockTenant(client, seen.uid);
  if (record?.state !== "active")
    throw new TenantNotProvisioned(`Tenant ${seen.name} lost its schema while its login was changed: it was deleted`);
  refuseIfHeldByOther(record, seen.clusterUid);
  const same =
    record.activeLogin === seen.activeLogin &&
    record.credentialsRevision === seen.credentialsRevision &&
    record.rotation?.step === seen.rotation?.step;
  if (same) return record;
  throw new DatabaseBusy(`the login of Tenant ${seen.name} was changed by another writer meanwhile; it is tried again`);
}

const update = (client: Queryable, { id }: TenantRecord, epoch: number, assignments: string, values: unknown[] = []) =>
  client.query(`UPDATE agentpg_operator.tenant SET ${assignments}, epoch = $2, updated_at = now() WHERE id = $1`, [
    id,
    epoch,
    ...values,
  ]);

/** A new password for a login that nobody uses. */
async function newPasswordFor(client: Queryable, record: TenantRecord, login: Login): Promise<FreshPassword> {
  const names = tenantDatabaseNames(record.id);
  const password = await setLoginPassword(client, names, login);
  return { login, user: names.logins[login], password, revision: revisionOf(login, password) };
}

/**
 * The first password of the active login. It is noted once it was seen published: until then nobody uses it, and it may be set again.
 * @param request counts as met: the password is new
 */
export async function setFirstPassword(
  client: Queryable,
  seen: TenantRecord,
  epoch: number,
  request: string | undefined,
): Promise<FreshPassword> {
  const record = await lockAsSeen(client, seen);
  const fresh = await newPasswordFor(client, record, record.activeLogin);
  const assignments = "password_changed_at = now(), rotation_request = coalesce($3, rotation_request)";
  await update(client, record, epoch, assignments, [request ?? null]);
  return fresh;
}

/** Opens the idle login with a new password; both are open from here on. */
export async function openIdleLogin(
  client: Queryable,
  seen: TenantRecord,
  epoch: number,
  why: { reason: RotationReason; request: string | undefined },
): Promise<FreshPassword> {
  const record = await lockAsSeen(client, seen);
  const login = otherLogin(record.activeLogin);
  await client.query(`ALTER ROLE ${identifier(tenantDatabaseNames(record.id).logins[login])} LOGIN`);
  const fresh = await newPasswordFor(client, record, login);
  await update(
    client,
    record,
    epoch,
    `credentials_revision = $3, rotation_request = coalesce($4, rotation_request),
     rotation = jsonb_build_object('step', 'opening', 'reason', $5::text, 'startedAt', now(), 'stepAt', now())`,
    [fresh.revision, why.request ?? null, why.reason],
  );
  return fresh;
}

/** Gives the idle login another password, because the last one was never published, or was lost. */
export async function replaceIdlePassword(
  client: Queryable,
  seen: TenantRecord,
  epoch: number,
): Promise<FreshPassword> {
  const record = await lockAsSeen(client, seen);
  const fresh = await newPasswordFor(client, record, otherLogin(record.activeLogin));
  const assignments = `credentials_revision = $3, rotation = rotation || jsonb_build_object('step', 'opening', 'stepAt', now())`;
  await update(client, record, epoch, assignments, [fresh.revision]);
  return fresh;
}

/** The new password was seen published. */
export async function beginDrain(client: Queryable, seen: TenantRecord, epoch: number): Promise<void> {
  const record = await lockAsSeen(client, seen);
  const assignments = `password_changed_at = now(), rotation = rotation || jsonb_build_object('step', 'draining', 'stepAt', now())`;
  await update(client, record, epoch, assignments);
}

/** Closes the old login, its password goes, the new one is the active one. Connections that are open stay so. */
export async function closeOldLogin(client: Queryable, seen: TenantRecord, epoch: number): Promise<void> {
  const record = await lockAsSeen(client, seen);
  const old = tenantDatabaseNames(record.id).logins[record.activeLogin];
  await client.query(`ALTER ROLE ${identifier(old)} NOLOGIN PASSWORD NULL`);
  const assignments = `active_login = $3, rotation = rotation || jsonb_build_object('step', 'closing', 'stepAt', now())`;
  await update(client, record, epoch, assignments, [otherLogin(record.activeLogin)]);
}

/** Ends what is left of the old login; with nothing left the rotation is over. Gives how many connections there were. */
export async function endOldSessions(client: Queryable, seen: TenantRecord, epoch: number): Promise<number> {
  const record = await lockAsSeen(client, seen);
  const left = await endSessions(client, tenantDatabaseNames(record.id), otherLogin(record.activeLogin));
  if (left === 0) await update(client, record, epoch, "rotation = NULL");
  return left;
}

/** Sets a login's password to the published one again. */
export async function restorePassword(
  client: Queryable,
  seen: TenantRecord,
  login: Login,
  password: string,
): Promise<void> {
  const record = await lockAsSeen(client, seen);
  await storePassword(client, tenantDatabaseNames(record.id), login, password);
}

/** Notes what is published. Where nobody knows its age (an earlier version set it) it counts as old as the tenant. */
export async function noteRevision(
  client: Queryable,
  seen: TenantRecord,
  epoch: number,
  revision: string,
): Promise<void> {
  const record = await lockAsSeen(client, seen);
  const assignments = "credentials_revision = $3, password_changed_at = coalesce(password_changed_at, created_at)";
  await update(client, record, epoch, assignments, [revision]);
}
