import type { Request, RequestHandler } from "express";
import type { JWTPayload } from "jose";
import type { RuntimeConfig } from "../config.ts";
import { type Caller, callerOfToken, callerWithoutToken, type TokenAccess, unauthorized } from "./caller.ts";
import { FailedAttempts } from "./failed-attempts.ts";
import { DiscoveredKeys, type IssuerKeys, IssuerUnreachable, type KeyAges, PublishedKeys } from "./issuer-keys.ts";
import { forbidden, Problem } from "./problems.ts";
import { VerifiedTokens } from "./verified-tokens.ts";
import { bearerOf, CLOCK_SKEW_SECONDS, LONGEST_TOKEN, verifyToken } from "./verify-token.ts";

/** Finds out who calls. @throws Problem 401 without a valid token, 403 with one of another tenant, 429 after too many of the first */
type Authenticate = (req: Request) => Promise<Caller>;

function bearer(req: Request): string {
  const header = req.headers.authorization ?? "";
  if (header.length > LONGEST_TOKEN + 7) throw unauthorized(`the token is longer than ${LONGEST_TOKEN} bytes`);
  const token = bearerOf(header);
  if (!token) throw unauthorized("send a bearer token");
  return token;
}

async function verified(token: string, keys: IssuerKeys, issuer: string, audience: string): Promise<JWTPayload> {
  try {
    return await verifyToken(token, keys, issuer, audience);
  } catch {
    throw unauthorized("the token is not valid here");
  }
}

/** Waits until the keys are new enough to check with. @throws Problem 503 */
async function freshKeys(keys: IssuerKeys): Promise<void> {
  try {
    await keys.fresh();
  } catch (error) {
    if (!(error instanceof IssuerUnreachable)) throw error;
    throw new Problem(503, "the token cannot be checked now: try again", { "retry-after": "5" });
  }
}

function byToken(
  access: TokenAccess,
  approverRoles: string[],
  keys: IssuerKeys,
  attempts: FailedAttempts,
): Authenticate {
  const known = new VerifiedTokens<Caller>();
  return async (req) => {
    const token = bearer(req);
    await freshKeys(keys);
    const { generation } = keys;
    const found = known.get(token, generation);
    if (found) return found;
    checkedAddress(req, attempts); // after the look: others may come from the same address, through a proxy
    const payload = await verified(token, keys, access.issuer, access.audience);
    const until = ((payload.exp as number) + CLOCK_SKEW_SECONDS) * 1000;
    const caller = { ...callerOfToken(access, payload, approverRoles), until };
    // An unknown key may have brought new ones meanwhile: then it is checked once more next time.
    if (generation === keys.generation) known.set(token, caller, until, generation);
    return caller;
  };
}

const byNobody =
  (approverRoles: string[]): Authenticate =>
  async (req) =>
    callerWithoutToken(req.header("x-user-id"), req.header("x-user-roles"), approverRoles);

/** @throws Problem 429 for a while after so many bad tokens */
function checkedAddress(req: Request, attempts: FailedAttempts): void {
  const wait = attempts.blockedFor(req.socket.remoteAddress ?? "");
  if (wait === undefined) return;
  const headers = { "retry-after": String(wait) };
  throw new Problem(429, "too many bad tokens from this address", headers, { code: "too-many-bad-tokens" });
}

function counted(authenticate: Authenticate, attempts: FailedAttempts): Authenticate {
  return async (req) => {
    try {
      return await authenticate(req);
    } catch (error) {
      const isBad = error instanceof Problem && error.status === 401 && req.headers.authorization !== undefined;
      if (isBad) attempts.count(req.socket.remoteAddress ?? "");
      throw error;
    }
  };
}

/** A header is not trusted to say which tenant, but one that says another tenant is refused. */
function checkedTenant(req: Request, tenant: string): void {
  const said = req.headers["x-tenant-id"];
  if (said !== undefined && said !== tenant) throw forbidden();
}

export interface Access {
  /** Puts the caller on `res.locals.caller`. */
  guard: RequestHandler;
  start(): Promise<unknown>;
  stop(): void;
}

/** What a test may set. */
export interface AccessParts {
  ages?: KeyAges;
  attempts?: FailedAttempts;
}

export function createAccess(
  { agent, env }: RuntimeConfig,
  { ages, attempts = new FailedAttempts() }: AccessParts = {},
): Access {
  const { access, tenant } = agent;
  const open = access.source === "none";
  const keys =
    access.source === "oidc" ? new DiscoveredKeys(access.issuer, ages) : new PublishedKeys(env.AGENTPG_ACCESS_DIR);
  const roles = agent.approvals?.approverRoles ?? [];
  const authenticate = open ? byNobody(roles) : counted(byToken(access, roles, keys, attempts), attempts);
  return {
    async guard(req, res, next) {
      res.locals.caller = await authenticate(req);
      checkedTenant(req, tenant.name);
      next();
    },
    start: async () => (open ? undefined : keys.start()),
    stop: () => keys.stop(),
  };
}
