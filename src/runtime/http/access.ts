import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Request, RequestHandler } from "express";
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import type { AccessConfig } from "../../api/agent-config.ts";
import { storableText } from "../../database/runs/storable.ts";
import type { RuntimeConfig } from "../config.ts";
import { Watched } from "../credentials/watched.ts";
import { forbidden, Problem } from "./problems.ts";

/** Who calls. */
export interface Caller {
  userId: string;
}

/** Finds out who calls. @throws Problem 401 without a valid token, 403 with one of another tenant */
export type Authenticate = (req: Request) => Promise<Caller>;

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

const unauthorized = (detail: string) => new Problem(401, detail, { "www-authenticate": 'Bearer realm="agentpg"' });

function bearer(req: Request): string {
  const [, token] = /^Bearer +([\w.~+/=-]+)$/i.exec(req.headers.authorization ?? "") ?? [];
  if (!token) throw unauthorized("send a bearer token");
  return token;
}

/** The issuer's keys, found by its discovery document; asked for again when it could not be had. */
function discoveredKeys(issuer: string): JWTVerifyGetKey {
  let keys: Promise<JWTVerifyGetKey> | undefined;
  const discover = async (): Promise<JWTVerifyGetKey> => {
    const response = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, {
      signal: AbortSignal.timeout(10_000),
      redirect: "error",
    });
    if (!response.ok) throw new Error(`the issuer's discovery document: HTTP ${response.status}`);
    const document = (await response.json()) as { jwks_uri?: string; issuer?: string };
    if (document.issuer !== issuer || !document.jwks_uri)
      throw new Error("the issuer's discovery document names another issuer or no keys");
    return createRemoteJWKSet(new URL(document.jwks_uri), { cooldownDuration: 5000 });
  };
  return async (header, token) => {
    keys ??= discover();
    const found = await keys.catch((error) => {
      keys = undefined;
      throw new IssuerUnreachable("the token issuer cannot be reached", { cause: error });
    });
    return found(header, token);
  };
}
class IssuerUnreachable extends Error {}

/** The keys of the cluster's own issuer, which the operator publishes as a file. */
function publishedKeys(directory: string): { keys: JWTVerifyGetKey; watched: Watched<JSONWebKeySet> } {
  let current: JWTVerifyGetKey | undefined;
  const watched = new Watched(
    async () => JSON.parse(await readFile(join(directory, "jwks.json"), "utf8")) as JSONWebKeySet,
    2000,
  );
  watched.onChange((jwks) => {
    current = createLocalJWKSet(jwks);
  });
  const keys: JWTVerifyGetKey = async (header, token) => {
    if (!current) await watched.refresh();
    if (!current) throw new IssuerUnreachable("the token issuer's keys are not there yet", { cause: watched.problem });
    return current(header, token);
  };
  return { keys, watched };
}

async function verified(token: string, keys: JWTVerifyGetKey, issuer: string, audience: string): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience,
      algorithms: ALGORITHMS,
      requiredClaims: ["exp", "sub"],
      clockTolerance: 30,
    });
    return payload;
  } catch (error) {
    if (error instanceof IssuerUnreachable || (error as { code?: string }).code === "ERR_JWKS_TIMEOUT") {
      throw new Problem(503, "the token cannot be checked now: try again", { "retry-after": "5" });
    }
    throw unauthorized("the token is not valid here");
  }
}

function user(value: unknown): Caller {
  if (typeof value !== "string" || !value || value.length > 256) throw unauthorized("the token names no user");
  // Two ids that Postgres keeps as the same text would be one user.
  if (storableText(value) !== value) throw unauthorized("the token names no user: its id is no well-formed text");
  return { userId: value };
}

function byOidc(access: Extract<AccessConfig, { source: "oidc" }>): Authenticate {
  const keys = discoveredKeys(access.issuer);
  return async (req) => {
    const payload = await verified(bearer(req), keys, access.issuer, access.audience);
    if (payload[access.tenantClaim] !== access.tenant) throw forbidden();
    return user(payload[access.userClaim]);
  };
}

function byCluster(
  access: Extract<AccessConfig, { source: "cluster" }>,
  directory: string,
): { authenticate: Authenticate; watched: Watched<JSONWebKeySet> } {
  const { keys, watched } = publishedKeys(directory);
  const authenticate: Authenticate = async (req) => {
    const payload = await verified(bearer(req), keys, access.issuer, access.audience);
    const { namespace } = (payload["kubernetes.io"] ?? {}) as { namespace?: unknown };
    if (namespace !== access.namespace) throw forbidden();
    return user(payload.sub);
  };
  return { authenticate, watched };
}

const byNobody: Authenticate = async (req) => user(req.header("x-user-id") || "anonymous");

/** A header is not trusted to say which tenant, but one that says another tenant is refused. */
function checkedTenant(req: Request, tenant: string): void {
  const said = req.header("x-tenant-id");
  if (said !== undefined && said !== tenant) throw forbidden();
}

export interface Access {
  /** Puts the caller on `res.locals.caller`. */
  guard: RequestHandler;
  start(): Promise<unknown>;
  stop(): void;
}

export function createAccess({ agent, env }: RuntimeConfig): Access {
  const { access, tenant } = agent;
  const cluster = access.source === "cluster" ? byCluster(access, env.AGENTPG_ACCESS_DIR) : undefined;
  const authenticate = access.source === "oidc" ? byOidc(access) : (cluster?.authenticate ?? byNobody);
  return {
    async guard(req, res, next) {
      res.locals.caller = await authenticate(req);
      checkedTenant(req, tenant.name);
      next();
    },
    start: async () => cluster?.watched.start(),
    stop: () => cluster?.watched.stop(),
  };
}
