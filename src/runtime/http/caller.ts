import type { JWTPayload } from "jose";
import type { AccessConfig } from "../../api/agent-config.ts";
import { storableText } from "../../database/runs/storable.ts";
import { forbidden, Problem } from "./problems.ts";

/** Who calls. */
export interface Caller {
  userId: string;
  /** May see what the whole tenant spends. */
  admin: boolean;
  /** May decide on calls of tools in others' sessions (Agent spec.approvals.approverRoles). */
  approver: boolean;
  /** When what says so is good no longer, in milliseconds since the epoch; left out: never. */
  until?: number;
}

/** In the token's `scope` (or `scp`), as the issuer grants it. */
const ADMIN_SCOPE = "agentpg:admin";

export const unauthorized = (detail: string) =>
  new Problem(401, detail, { "www-authenticate": 'Bearer realm="agentpg"' });

/** @throws Problem 401 */
function userIdOf(value: unknown): string {
  if (typeof value !== "string" || !value || value.length > 256) throw unauthorized("the token names no user");
  // Two ids that Postgres keeps as the same text would be one user.
  if (storableText(value) !== value) throw unauthorized("the token names no user: its id is no well-formed text");
  return value;
}

/** A claim that is a list, or a text with spaces, as issuers write scopes and roles. */
function listOf(claim: unknown): unknown[] {
  if (typeof claim === "string") return claim.split(" ");
  return Array.isArray(claim) ? claim : [];
}

export type TokenAccess = Exclude<AccessConfig, { source: "none" }>;

/** @throws Problem 401 when the token names no user, 403 when it is another tenant's */
export function callerOfToken(access: TokenAccess, payload: JWTPayload, approverRoles: readonly string[]): Caller {
  const approver = (roles: unknown[]) => approverRoles.some((it) => roles.includes(it));
  if (access.source === "oidc") {
    if (payload[access.tenantClaim] !== access.tenant) throw forbidden();
    const admin = listOf(payload.scope ?? payload.scp).includes(ADMIN_SCOPE);
    const userId = userIdOf(payload[access.userClaim]);
    return { userId, admin, approver: approver(listOf(payload[access.roleClaim])) };
  }
  const { namespace } = (payload["kubernetes.io"] ?? {}) as { namespace?: unknown };
  if (namespace !== access.namespace) throw forbidden();
  const userId = userIdOf(payload.sub);
  return { userId, admin: false, approver: approver([userId]) };
}

/** Whoever the request says it comes from: for a runtime that checks no tokens. */
export function callerWithoutToken(
  userId: string | undefined,
  roles: string | undefined,
  approverRoles: readonly string[],
): Caller {
  const said = listOf(roles);
  const approver = approverRoles.some((it) => said.includes(it));
  return { userId: userIdOf(userId || "anonymous"), admin: true, approver };
}
