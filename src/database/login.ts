import type { TenantDatabaseNames } from "../api/names.ts";
import { clientOptions, type ConnectionSettings } from "./connection.ts";
import { type DatabaseError, databaseError } from "./errors.ts";
import { actAs } from "./provisioning/apply.ts";
import { identifier, literal } from "./quote.ts";
import type { Login } from "./registry.ts";
import { newPassword, scramVerifier } from "./scram.ts";
import type { Queryable } from "./session.ts";
import { ReportingClient } from "./server-state.ts";
import { hasCode, SQLSTATE } from "./sqlstate.ts";

/** Gives the login a new password and returns it. */
export async function setLoginPassword(client: Queryable, names: TenantDatabaseNames, login: Login): Promise<string> {
  const password = newPassword();
  await storePassword(client, names, login, password);
  return password;
}

/** Gives the login this password. The server sees only its verifier. @throws TypeError for an empty one */
export async function storePassword(
  client: Queryable,
  names: TenantDatabaseNames,
  login: Login,
  password: string,
): Promise<void> {
  const verifier = await scramVerifier(password);
  // The owner made the login: where the operator changes it, Postgres looks through the roles of all tenants.
  await actAs(client, names.owner);
  await client.query(`ALTER ROLE ${identifier(names.logins[login])} PASSWORD ${literal(verifier)}`);
  await actAs(client, "operator");
}

export type LoginAttempt =
  | { result: "ok" }
  | { result: "wrong password" }
  | { result: "cannot connect"; error: DatabaseError };

/** Logs in once as a tenant does: over the network, with TLS and SCRAM. Never throws. */
export async function loginWorks(settings: ConnectionSettings, user: string, password: string): Promise<LoginAttempt> {
  // node-postgres would look for another password in the environment.
  if (password === "") return { result: "wrong password" };
  const client = new ReportingClient({
    ...clientOptions({ ...settings, user, password }, "agentpg-login-check"),
    connectionTimeoutMillis: 5_000,
  });
  // A connection that breaks after the login must not end the process.
  client.on("error", () => {});
  try {
    await client.connect();
    return { result: "ok" };
  } catch (error) {
    if (hasCode(error, SQLSTATE.invalidPassword)) return { result: "wrong password" };
    return { result: "cannot connect", error: databaseError(error, `a login as ${user}`) };
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * Whether the server lets this password in. Where the role's connections are used up, Postgres says so only after the password
 * was right; where the server's are, it says the same before. In both cases there is no reason to change the password of a
 * tenant at work.
 * @throws DatabaseError if no login could be tried
 */
export async function isAccepted(settings: ConnectionSettings): Promise<boolean> {
  const attempt = await loginWorks(settings, settings.user, settings.password);
  if (attempt.result !== "cannot connect") return attempt.result === "ok";
  if (hasCode(attempt.error, SQLSTATE.tooManyConnections)) return true;
  throw attempt.error;
}

/**
 * Logs in through the real path.
 * @throws DatabaseError when that does not work
 */
export async function verifyLogin(settings: ConnectionSettings): Promise<void> {
  const attempt = await loginWorks(settings, settings.user, settings.password);
  if (attempt.result === "cannot connect") throw attempt.error;
  if (attempt.result === "wrong password")
    throw databaseError({ code: SQLSTATE.invalidPassword }, `a login as ${settings.user}`);
}
