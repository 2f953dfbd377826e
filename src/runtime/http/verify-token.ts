import { type JWTPayload, jwtVerify } from "jose";
import type { IssuerKeys } from "./issuer-keys.ts";

/** Only such with a public key: a token signed with a public key as if it were a secret is none. */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];
export const CLOCK_SKEW_SECONDS = 30;
export const LONGEST_TOKEN = 8192;

/** The token of an `Authorization` header, when it has the form of one. */
export const bearerOf = (header: string | undefined): string | undefined =>
  /^Bearer +([\w.~+/=-]+)$/i.exec(header ?? "")?.[1];

/** What the token says, once its signature, issuer, audience and times are checked. @throws JOSEError */
export async function verifyToken(
  token: string,
  keys: IssuerKeys,
  issuer: string,
  audience: string,
): Promise<JWTPayload> {
  const { payload } = await jwtVerify(token, keys.find, {
    issuer,
    audience,
    algorithms: ALGORITHMS,
    requiredClaims: ["exp", "sub"],
    clockTolerance: CLOCK_SKEW_SECONDS,
  });
  return payload;
}
