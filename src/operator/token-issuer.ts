import type { KubernetesClient } from "../kubernetes/client.ts";

export interface TokenIssuer {
  /** The `iss` of the cluster's service-account tokens. */
  issuer: string;
  /** Its public keys, as a JSON Web Key Set (RFC 7517). */
  jwks: string;
}

const MAX_AGE_MS = 5 * 60_000;

/**
 * Asks the API server who issues its service-account tokens (service account issuer discovery).
 * Answers are kept five minutes, so that a rotated key reaches the agents soon; a failure keeps the last answer.
 */
export function tokenIssuerSource(client: KubernetesClient, now: () => number = Date.now): () => Promise<TokenIssuer> {
  let known: { at: number; value: TokenIssuer } | undefined;
  return async () => {
    if (known && now() - known.at < MAX_AGE_MS) return known.value;
    try {
      const { issuer } = await client.request<{ issuer: string }>("GET", "/.well-known/openid-configuration");
      const keys = await client.request<unknown>("GET", "/openid/v1/jwks");
      const jwks = JSON.stringify(typeof keys === "string" ? JSON.parse(keys) : keys);
      known = { at: now(), value: { issuer, jwks } };
      return known.value;
    } catch (error) {
      if (known) return known.value;
      throw error;
    }
  };
}
