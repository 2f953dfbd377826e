import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

/** A token issuer as a company would have it: discovery, one RSA key, tokens with a tenant and a user. */
export interface Issuer {
  access: {
    source: "oidc";
    issuer: string;
    audience: string;
    tenantClaim: string;
    userClaim: string;
    tenant: string;
  };
  token(user: string): Promise<string>;
  close(): void;
}

export async function startIssuer(tenant: string): Promise<Issuer> {
  const keys = await generateKeyPair("RS256");
  const jwks = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: "bench", alg: "RS256" }] };
  const server = createServer((req, res) => {
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(req.url?.includes("openid") ? { issuer, jwks_uri: `${issuer}/jwks` } : jwks));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    access: { source: "oidc", issuer, audience: "agentpg", tenantClaim: "tenant", userClaim: "sub", tenant },
    token: (user) =>
      new SignJWT({ tenant })
        .setSubject(user)
        .setProtectedHeader({ alg: "RS256", kid: "bench" })
        .setIssuer(issuer)
        .setAudience("agentpg")
        .setIssuedAt()
        .setExpirationTime("12h")
        .sign(keys.privateKey),
    close: () => void server.close(),
  };
}
