import { createHash } from "node:crypto";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { ResourceKind } from "../../kubernetes/resource-kind.ts";
import { TimedCache } from "./timed-cache.ts";

const TOKEN_REVIEW: ResourceKind = {
  apiVersion: "authentication.k8s.io/v1",
  kind: "TokenReview",
  plural: "tokenreviews",
  namespaced: false,
};

/** Who somebody is, as the API server says. */
export interface Identity {
  username: string;
  uid?: string;
  groups?: string[];
  extra?: Record<string, string[]>;
}

interface Review {
  status?: { authenticated?: boolean; user?: Identity };
}

/** How long an answer about a token is believed: a token that was revoked is good for so much longer, in milliseconds. */
const BELIEVED_MS = 10_000;
const TIMEOUT_MS = 10_000;

/** A token of one line without spaces; a header or a cookie can hold nothing else. */
export const looksLikeToken = (token: string): boolean => /^[\x21-\x7e]{8,16384}$/.test(token);

export const tokenHash = (token: string): string => createHash("sha256").update(token).digest("base64url");

/** Asks the API server whose a token is. Tokens are never kept, only their hashes. */
export class Identities {
  readonly #client: KubernetesClient;
  readonly #known = new TimedCache<Identity | undefined>(BELIEVED_MS);

  constructor(client: KubernetesClient) {
    this.#client = client;
  }

  /** Undefined: the API server does not take the token. @throws ApiError, ApiUnreachable */
  async of(token: string): Promise<Identity | undefined> {
    if (!looksLikeToken(token)) return undefined;
    return this.#known.get(tokenHash(token), () => this.#review(token));
  }

  async #review(token: string): Promise<Identity | undefined> {
    const { apiVersion, kind } = TOKEN_REVIEW;
    const review = { apiVersion, kind, spec: { token } };
    const { status } = await this.#client.create<Review>(TOKEN_REVIEW, review, undefined, { timeoutMs: TIMEOUT_MS });
    return status?.authenticated && status.user?.username ? status.user : undefined;
  }
}

/** When a JSON Web Token says that it ends, in seconds since the epoch; undefined for other tokens. Whether it is genuine is not asked here. */
export function expiryOf(token: string): number | undefined {
  const [, payload, signature] = token.split(".");
  if (payload === undefined || signature === undefined) return undefined;
  try {
    const { exp } = JSON.parse(Buffer.from(payload, "base64url").toString()) as { exp?: unknown };
    return typeof exp === "number" && Number.isFinite(exp) ? exp : undefined;
  } catch {
    return undefined;
  }
}
