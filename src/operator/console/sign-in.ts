import type { IncomingMessage } from "node:http";
import { z } from "zod";
import type { ConsoleMe } from "../../api/console.ts";
import type { Caller } from "./call.ts";
import { expiryOf, type Identities, looksLikeToken } from "./identity.ts";
import { checked } from "./input.ts";
import type { LoginLimit } from "./login-limit.ts";
import { Problem } from "./problem.ts";
import { cookieOf, csrfFits, csrfToken, openSession, sealSession, setCookie } from "./session-cookie.ts";
import type { SessionKey } from "./session-key.ts";

const login = z.strictObject({ token: z.string() });
const BEARER = /^Bearer +(\S+) *$/i;
export const CSRF_HEADER = "x-agentpg-csrf";

export interface SignInParts {
  identities: Identities;
  key: SessionKey;
  limit: LoginLimit;
  /** How long a session lasts at most, in seconds; it ends with its token in any case. */
  sessionSeconds: number;
}

const HOW =
  "make one with `kubectl create token SERVICEACCOUNT`, or use the one that your identity provider gives you for kubectl";

const refused = (detail: string, remedy = HOW) =>
  new Problem(401, "unauthenticated", detail, remedy, { "www-authenticate": 'Bearer realm="agentpg console"' });

const addressOf = (request: IncomingMessage): string => request.socket.remoteAddress ?? "";

/** Who sends requests, by a cookie of ours or by a token that something in between sends along. */
export class SignIn {
  readonly #parts: SignInParts;

  constructor(parts: SignInParts) {
    this.#parts = parts;
  }

  /** @throws Problem 401, 429; ApiError, ApiUnreachable */
  async caller(request: IncomingMessage): Promise<Caller> {
    const { authorization } = request.headers;
    if (authorization !== undefined) return this.#byHeader(request, authorization);
    const sealed = cookieOf(request.headers.cookie);
    const session = sealed === undefined ? undefined : openSession(await this.#parts.key.get(), sealed);
    if (!session) throw refused("you are not signed in, or your session is over");
    const identity = await this.#parts.identities.of(session.token);
    if (!identity) throw refused("Kubernetes does not take your token any more");
    return { identity, token: session.token, via: "cookie", expires: session.expires };
  }

  /** The cookie for a token. @throws Problem 400, 401, 429 */
  async login(request: IncomingMessage, body: unknown): Promise<string> {
    const token = checked(login, body).token.trim();
    if (token === "") throw new Problem(400, "malformed-request", "token: is empty", HOW);
    const expires = Math.min(
      Date.now() / 1000 + this.#parts.sessionSeconds,
      expiryOf(token) ?? Number.POSITIVE_INFINITY,
    );
    await this.#known(request, token);
    const sealed = sealSession(await this.#parts.key.get(), { token, expires: Math.floor(expires) });
    if (sealed === undefined)
      throw new Problem(
        400,
        "token-too-long",
        "the token does not fit into a cookie",
        "use a shorter one (`kubectl create token`), or a proxy in front that sends it in the header Authorization",
      );
    return setCookie(sealed, expires - Date.now() / 1000);
  }

  async me({ identity, token, via, expires }: Caller): Promise<ConsoleMe> {
    return {
      user: identity.username,
      csrf: csrfToken(await this.#parts.key.get(), token),
      via,
      expiresAt: expires === undefined ? null : new Date(expires * 1000).toISOString(),
    };
  }

  /** What changes something has to come from our own page. @throws Problem 403 */
  async assertOurPage(request: IncomingMessage, { token }: Caller): Promise<void> {
    const given = request.headers[CSRF_HEADER];
    if (typeof given === "string" && csrfFits(await this.#parts.key.get(), token, given)) return;
    throw new Problem(
      403,
      "csrf",
      `the header ${CSRF_HEADER} is missing or wrong`,
      "load the page again; programs find it in /api/me",
    );
  }

  async #byHeader(request: IncomingMessage, authorization: string): Promise<Caller> {
    const token = BEARER.exec(authorization)?.[1] ?? "";
    return { identity: await this.#known(request, token), token, via: "header", expires: expiryOf(token) };
  }

  async #known(request: IncomingMessage, token: string) {
    const { identities, limit } = this.#parts;
    const address = addressOf(request);
    const seconds = limit.blockedFor(address);
    if (seconds !== undefined)
      throw new Problem(
        429,
        "too-many-requests",
        "too many tokens were refused lately",
        `try again in ${seconds} seconds`,
        {
          "retry-after": String(seconds),
        },
      );
    const identity = looksLikeToken(token) ? await identities.of(token) : undefined;
    if (identity) return identity;
    limit.failed(address);
    throw refused(
      "Kubernetes does not take this token: it has expired, is for another audience, or is none of this cluster's",
    );
  }
}

/** A browser says where a request comes from, and no page can change that. @throws Problem 403 for another site's */
export function refuseOtherSites({ headers }: IncomingMessage): void {
  const site = headers["sec-fetch-site"];
  const foreign =
    site === undefined
      ? headers.origin !== undefined && URL.parse(headers.origin)?.host !== headers.host
      : site !== "same-origin";
  if (foreign) throw new Problem(403, "other-site", "requests from other sites' pages are refused");
}
