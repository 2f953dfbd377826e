import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { Client } from "pg";
import type { TenantDatabaseNames } from "../api/names.ts";
import { clientOptions, type ConnectionSettings } from "./connection.ts";
import { type DatabaseError, DatabaseTlsFailed, databaseError } from "./errors.ts";
import { identifier, literal } from "./quote.ts";
import type { Login } from "./registry.ts";
import { newPassword, scramVerifier } from "./scram.ts";
import type { Queryable } from "./session.ts";
import { hasCode, SQLSTATE } from "./sqlstate.ts";

/** Gives the login a new password and returns it. The server sees only its verifier. */
export async function setLoginPassword(client: Queryable, names: TenantDatabaseNames, login: Login): Promise<string> {
  const password = newPassword();
  const verifier = await scramVerifier(password);
  await client.query(`ALTER ROLE ${identifier(names.logins[login])} PASSWORD ${literal(verifier)}`);
  return password;
}

export type LoginAttempt =
  | { result: "ok" }
  | { result: "wrong password" }
  | { result: "cannot connect"; error: DatabaseError };

/** Logs in once as a tenant does: over the network, with TLS and SCRAM. Never throws. */
export async function loginWorks(settings: ConnectionSettings, user: string, password: string): Promise<LoginAttempt> {
  // node-postgres would look for another password in the environment.
  if (password === "") return { result: "wrong password" };
  const client = new Client({
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
    if (offersNoTls(client)) {
      const message = `Postgres: ${settings.host}:${settings.port} offers no TLS; turn it on there (ssl = on), or accept plain text with the chart value database.insecure`;
      return { result: "cannot connect", error: new DatabaseTlsFailed(message, error) };
    }
    return { result: "cannot connect", error: databaseError(error, `a login as ${user}`) };
  } finally {
    await client.end().catch(() => {});
  }
}

/** The server answered the request for TLS with the one byte `N`. node-postgres throws an error without a code for it. */
const offersNoTls = (client: Client): boolean => {
  const { stream, ssl } = (client as unknown as { connection: { ssl: unknown; stream?: Socket } }).connection;
  return Boolean(ssl) && !(stream instanceof TLSSocket) && stream?.bytesRead === 1;
};

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
