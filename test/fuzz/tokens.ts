import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Request, Response } from "express";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from "jose";
import { createAccess } from "../../src/runtime/http/access.ts";
import type { Caller } from "../../src/runtime/http/caller.ts";
import { FailedAttempts } from "../../src/runtime/http/failed-attempts.ts";
import { Problem } from "../../src/runtime/http/problems.ts";
import type { Random } from "../support/random.ts";
import type { Target } from "./target.ts";
import { mutated, randomJson, randomText } from "./values.ts";

const encoded = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** Tokens at the guard of the API: nobody gets in but alice and bob of tenant acme, with what their issuer signed. */
export async function tokenTarget(): Promise<Target> {
  const [es, rsa, stranger] = await Promise.all([
    generateKeyPair("ES256"),
    generateKeyPair("RS256", { extractable: true }),
    generateKeyPair("ES256"),
  ]);
  const keys = [
    { ...(await exportJWK(es.publicKey)), kid: "es", alg: "ES256" },
    { ...(await exportJWK(rsa.publicKey)), kid: "rsa", alg: "RS256" },
  ];
  const server = createServer((req, res) =>
    res
      .setHeader("content-type", "application/json")
      .end(JSON.stringify(req.url === "/jwks" ? { keys } : { issuer, jwks_uri: `${issuer}/jwks` })),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const access = {
    source: "oidc",
    issuer,
    audience: "agentpg",
    tenantClaim: "tenant",
    userClaim: "sub",
    roleClaim: "roles",
    tenant: "acme",
  };
  const config = { agent: { access, tenant: { name: "acme" } }, env: {} };
  const guard = createAccess(config as never, { attempts: new FailedAttempts(Number.POSITIVE_INFINITY) });
  const sign = (user: string, claims: object, alg: string, key: Parameters<SignJWT["sign"]>[0], kid: string) =>
    new SignJWT({ tenant: "acme", ...claims })
      .setSubject(user)
      .setProtectedHeader({ alg, kid })
      .setIssuer(issuer)
      .setAudience("agentpg")
      .setExpirationTime("12h")
      .sign(key);
  const good = [
    await sign("alice", {}, "ES256", es.privateKey, "es"),
    await sign("bob", { scope: "agentpg:admin" }, "RS256", rsa.privateKey, "rsa"),
  ];
  const bad = [
    await sign("mallory", {}, "ES256", stranger.privateKey, "es"),
    await sign("mallory", { tenant: "globex" }, "ES256", es.privateKey, "es"),
  ];
  const publicKeys = [await exportSPKI(rsa.publicKey), JSON.stringify(keys[1])];
  const payload = {
    iss: issuer,
    aud: "agentpg",
    sub: "mallory",
    tenant: "acme",
    exp: Math.floor(Date.now() / 1000) + 3600,
  };

  /** A token that nobody signed: a header and claims of any kind, and a signature by the public key, by nobody, or another's. */
  function forged(random: Random): string {
    const head =
      random.next() < 0.8
        ? {
            alg: random.pick(["none", "None", "HS256", "HS512", "ES256", "RS256", "EdDSA", ""]),
            kid: random.pick(["es", "rsa", "x", "__proto__"]),
            ...(random.next() < 0.2 ? { jwk: keys[0], crit: ["exp"], b64: false } : {}),
          }
        : randomJson(random, ["alg", "kid", "typ", "jwk"]);
    const claims = random.next() < 0.7 ? payload : randomJson(random, Object.keys(payload));
    const body = `${encoded(head)}.${encoded(claims)}`;
    const signature = random.pick([
      () => "",
      () => createHmac("sha256", random.pick(publicKeys)).update(body).digest("base64url"),
      () => random.pick(good).split(".")[2] ?? "",
      () => encoded(randomText(random)),
    ])();
    return `${body}.${signature}`;
  }

  function header(random: Random): string {
    const kind = random.next();
    if (kind < 0.45) return `Bearer ${mutated(random, random.pick([...good, ...bad]), [...good, ...bad])}`;
    if (kind < 0.8) return `Bearer ${forged(random)}`;
    if (kind < 0.9) return mutated(random, `Bearer ${random.pick(good)}`, [...good, ...bad]);
    if (kind < 0.95) return `Bearer ${random.pick(bad)}`;
    return kind < 0.97 ? `Bearer ${random.pick(good)}` : randomText(random);
  }

  return {
    name: "tokens",
    async feed(random) {
      const authorization = header(random);
      const locals: { caller?: Caller } = {};
      const req = { headers: { authorization }, socket: { remoteAddress: "127.0.0.1" } } as unknown as Request;
      try {
        await guard.guard(req, { locals } as unknown as Response, () => {});
      } catch (error) {
        if (error instanceof Problem && (error.status === 401 || error.status === 403)) return "refused";
        throw error;
      }
      const { userId, admin } = locals.caller ?? {};
      const known = (userId === "alice" && !admin) || (userId === "bob" && admin);
      if (!known) throw new Error(`${String(userId)} got in with ${JSON.stringify(authorization)}`);
      return "accepted";
    },
    expected: ["refused", "accepted"],
    close: () => {
      guard.stop();
      server.close();
    },
  };
}
