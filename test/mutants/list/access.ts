import type { Mutant } from "../mutant.ts";

const ACCESS = "src/runtime/http/access.ts";
const VERIFY = "src/runtime/http/verify-token.ts";
const CALLER = "src/runtime/http/caller.ts";
const tokens = (tests: string) => [{ file: "test/runtime/tokens.test.ts", tests }];
const callers = (tests: string) => [{ file: "test/runtime/access.test.ts", tests }];

/** Who may call an agent, and what is whose. */
export const ACCESS_CHECKS: Mutant[] = [
  {
    weakness: "a token of algorithm `none` is believed",
    file: VERIFY,
    from: "  const { payload } = await jwtVerify(token, keys.find, {",
    to: `  const [head = "", body = ""] = token.split(".").map((it) => Buffer.from(it, "base64url").toString());
  if (/"alg":"none"/i.test(head)) return JSON.parse(body) as JWTPayload;
  const { payload } = await jwtVerify(token, keys.find, {`,
    killedBy: tokens("a token that is alg none"),
  },
  {
    weakness: "the key that a token brings along is believed",
    file: VERIFY,
    from: "jwtVerify(token, keys.find, {",
    to: 'jwtVerify(token, (header, it) => (header.jwk ? import("jose").then(({ importJWK }) => importJWK(header.jwk as never, header.alg)) : keys.find(header, it)) as never, {',
    killedBy: tokens("a key of its own in the header"),
  },
  {
    weakness: "a token of any issuer is believed, when a key of ours signed it",
    file: VERIFY,
    from: `    issuer,
    audience,
    algorithms`,
    to: `    audience,
    algorithms`,
    killedBy: tokens("a token that is one of another issuer"),
  },
  {
    weakness: "a token for any audience is believed",
    file: VERIFY,
    from: `    issuer,
    audience,
    algorithms`,
    to: `    issuer,
    algorithms`,
    killedBy: tokens("audience"),
  },
  {
    weakness: "a token need not expire",
    file: VERIFY,
    from: 'requiredClaims: ["exp", "sub"]',
    to: 'requiredClaims: ["sub"]',
    killedBy: tokens("one that never expires"),
  },
  {
    weakness: "a token is good for an hour after its end",
    file: VERIFY,
    from: "const CLOCK_SKEW_SECONDS = 30;",
    to: "const CLOCK_SKEW_SECONDS = 3600;",
    killedBy: tokens("one that expired 40 s ago"),
  },
  {
    weakness: "a token of any length is looked at",
    file: VERIFY,
    from: "const LONGEST_TOKEN = 8192;",
    to: "const LONGEST_TOKEN = 16_384;",
    killedBy: tokens("a token of more than 8 KB"),
  },
  {
    weakness: "a token of any tenant will do",
    file: CALLER,
    from: "if (payload[access.tenantClaim] !== access.tenant) throw forbidden();",
    to: "if (payload[access.tenantClaim] === undefined) throw forbidden();",
    killedBy: tokens("another tenant"),
  },
  {
    weakness: "service accounts of other namespaces are let in",
    file: CALLER,
    from: "if (namespace !== access.namespace) throw forbidden();",
    to: "if (namespace === undefined) throw forbidden();",
    killedBy: callers("are service accounts of the tenant's namespace"),
  },
  {
    weakness: "an `X-Tenant-ID` of another tenant is overlooked",
    file: ACCESS,
    from: "if (said !== undefined && said !== tenant) throw forbidden();",
    to: "if (said === tenant) return;",
    killedBy: tokens("of the right tenant does not go with the name of another"),
  },
  {
    weakness: "a user id that Postgres would keep as another's is taken",
    file: CALLER,
    from: 'if (storableText(value) !== value) throw unauthorized("the token names no user: its id is no well-formed text");',
    to: "",
    killedBy: tokens("a user with a NUL"),
  },
  {
    weakness: "any scope makes an administrator",
    file: CALLER,
    from: "listOf(payload.scope ?? payload.scp).includes(ADMIN_SCOPE)",
    to: "listOf(payload.scope ?? payload.scp).length > 0",
    killedBy: tokens("makes an administrator only with the scope that says so"),
  },
  {
    weakness: "a session is its tenant's, not its user's",
    file: "src/runtime/http/sessions.ts",
    from: "if (session.userId !== caller.userId) throw forbidden();",
    to: "",
    killedBy: callers("is decided by the token, then by the tenant, then by the session"),
  },
  {
    weakness: "a run is its tenant's, not its user's",
    file: "src/runtime/http/runs.ts",
    from: "if (run.userId !== caller.userId) throw forbidden();",
    to: "",
    killedBy: callers("is decided by the token, then by the tenant, then by the session"),
  },
  {
    weakness: "a question is taken into another user's session",
    file: "src/database/runs/accept-run.ts",
    from: 'coalesce(s.agent = $2 AND s.user_id = i."userId", false) AS found',
    to: "coalesce(s.agent = $2, false) AS found",
    killedBy: callers("is decided by the token, then by the tenant, then by the session"),
  },
  {
    weakness: "a key that the issuer took back stays good",
    file: "src/runtime/http/issuer-keys.ts",
    from: "return age < this.#ages.stale || sinceFailure < this.#ages.stale ? undefined : this.#patience;",
    to: "return undefined;",
    killedBy: tokens("are waited for once they are stale"),
  },
  {
    weakness: "what a token said is remembered when the keys have changed",
    file: "src/runtime/http/verified-tokens.ts",
    from: "    this.#entries.clear();\n",
    to: "",
    killedBy: tokens("what tokens say is remembered"),
  },
  {
    weakness: "bad tokens can be tried without end",
    file: "src/runtime/http/minute-counts.ts",
    from: "if (!seen || seen.times < this.#limit) return undefined;",
    to: "if (!seen || seen.times < Number.MAX_SAFE_INTEGER) return undefined;",
    killedBy: tokens("too many bad tokens"),
  },
  {
    weakness: "bad tokens are not counted",
    file: ACCESS,
    from: 'if (isBad) attempts.count(req.socket.remoteAddress ?? "");',
    to: 'if (isBad && req.socket.destroyed) attempts.count(req.socket.remoteAddress ?? "");',
    killedBy: tokens("from one address are not looked at any more"),
  },
];
