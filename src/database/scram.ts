import { createHash, createHmac, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";

declare const brand: unique symbol;
/** What Postgres stores instead of a password (RFC 5803, as in pg_authid.rolpassword); a password cannot be got from it. */
export type ScramVerifier = string & { readonly [brand]: "ScramVerifier" };

/** Postgres' own default (scram_iterations). Passwords here have 256 bits, so more would protect nothing. */
const ITERATIONS = 4096;
const derive = promisify(pbkdf2);

/** A new password: 256 random bits as base64url, so that SASLprep leaves it as it is and no file format has to escape it. */
export const newPassword = (): string => randomBytes(32).toString("base64url");

/**
 * The SCRAM-SHA-256 verifier of a password (RFC 5802, §3), so that the password itself never reaches the server's log.
 * @throws TypeError for a password that is empty or not printable ASCII
 */
export async function scramVerifier(password: string, salt: Uint8Array = randomBytes(16)): Promise<ScramVerifier> {
  if (!/^[\x21-\x7e]+$/.test(password)) throw new TypeError("a password must be printable ASCII and not empty");
  const salted = await derive(password, salt, ITERATIONS, 32, "sha256");
  const hmac = (text: string) => createHmac("sha256", salted).update(text).digest();
  const storedKey = createHash("sha256").update(hmac("Client Key")).digest("base64");
  const serverKey = hmac("Server Key").toString("base64");
  return `SCRAM-SHA-256$${ITERATIONS}:${Buffer.from(salt).toString("base64")}$${storedKey}:${serverKey}` as ScramVerifier;
}
