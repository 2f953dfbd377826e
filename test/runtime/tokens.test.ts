import { createHmac } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { AccessConfig } from "../../src/api/agent-config.ts";
import { readEnvironment } from "../../src/runtime/config.ts";
import { type AccessParts, createAccess } from "../../src/runtime/http/access.ts";
import { FailedAttempts } from "../../src/runtime/http/failed-attempts.ts";
import { KEY_AGES } from "../../src/runtime/http/issuer-keys.ts";
import { problemHandler } from "../../src/runtime/http/problems.ts";
import { callerOf } from "../../src/runtime/http/sessions.ts";
import { VerifiedTokens } from "../../src/runtime/http/verified-tokens.ts";
import { type Listening, listen } from "../../src/runtime/listen.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { eventually } from "../support/eventually.ts";

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
let issuer: string;
let server: Server;
let es: Keys;
let rsa: Keys;
let stranger: Keys;
let published: Record<string, unknown>[];
/** What the issuer was asked for, and whether it answers. */
let fetches = 0;
let down = false;
let silent = false;
let unanswered = 0;
const open: Listening[] = [];

const jwk = async (keys: Keys, kid: string, alg: string) => ({ ...(await exportJWK(keys.publicKey)), kid, alg });

beforeAll(async () => {
  [es, rsa, stranger] = await Promise.all([
    generateKeyPair("ES256", { extractable: true }),
    generateKeyPair("RS256", { extractable: true }),
    generateKeyPair("ES256", { extractable: true }),
  ]);
  server = createServer((req, res) => {
    if (req.url === "/jwks") fetches++;
    if (down) return void req.socket.destroy();
    if (silent) return void unanswered++;
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(req.url === "/jwks" ? { keys: published } : { issuer, jwks_uri: `${issuer}/jwks` }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  published = [await jwk(es, "es", "ES256"), await jwk(rsa, "rsa", "RS256")];
});
afterEach(() => Promise.all(open.splice(0).map((it) => it.close(0))));
afterAll(() => void server?.close());

/** Something behind the guard that tells who calls. */
async function guarded(parts: AccessParts = {}, more: Partial<AccessConfig> = {}): Promise<string> {
  const access = {
    source: "oidc",
    issuer,
    audience: "agentpg",
    tenantClaim: "tenant",
    userClaim: "sub",
    tenant: "acme",
    ...more,
  };
  const agent = { access, tenant: { name: "acme" } };
  const { guard } = createAccess(
    { agent, env: readEnvironment({}) } as unknown as Parameters<typeof createAccess>[0],
    parts,
  );
  const app = express();
  app.use(guard, (_req, res) => void res.json(callerOf(res)));
  app.use(problemHandler(silentLogger));
  const listening = await listen(app, 0, "127.0.0.1");
  open.push(listening);
  return `http://127.0.0.1:${listening.port}`;
}
const lenient = () => ({ attempts: new FailedAttempts(10_000) });

async function call(url: string, authorization?: string, headers: Record<string, string> = {}) {
  const response = await fetch(url, {
    headers: { ...(authorization === undefined ? {} : { authorization }), ...headers },
  });
  const retryAfter = Number(response.headers.get("retry-after"));
  return { status: response.status, retryAfter, body: (await response.json()) as { detail?: string } };
}

const now = () => Math.floor(Date.now() / 1000);
const claims = (more: JWTPayload = {}): JWTPayload => ({
  sub: "ann",
  tenant: "acme",
  iss: issuer,
  aud: "agentpg",
  iat: now(),
  exp: now() + 300,
  ...more,
});
const signed = (payload: JWTPayload, header: object = {}, key = es.privateKey) =>
  new SignJWT(payload).setProtectedHeader({ alg: "ES256", kid: "es", ...header }).sign(key);
const without = (name: string): JWTPayload =>
  Object.fromEntries(Object.entries(claims()).filter(([key]) => key !== name));
const b64 = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const unsigned = (header: object, payload: unknown = claims(), signature = "") =>
  `${b64(header)}.${b64(payload)}.${signature}`;

async function hmacWithPublicKey(): Promise<string> {
  const text = `${b64({ alg: "HS256", kid: "rsa" })}.${b64(claims())}`;
  return `${text}.${createHmac("sha256", await exportSPKI(rsa.publicKey))
    .update(text)
    .digest("base64url")}`;
}
async function tampered(part: 0 | 1 | 2): Promise<string> {
  const parts = (await signed(claims())).split(".");
  const changed = [b64({ alg: "ES256", kid: "rsa" }), b64(claims({ sub: "root" })), b64("x".repeat(64))];
  parts[part] = changed[part] as string;
  return parts.join(".");
}

/** A token, and what becomes of who has it: 200, 401 or 403. */
const TOKENS: [what: string, status: number, token: () => Promise<string> | string][] = [
  ["a good token", 200, () => signed(claims())],
  ["a good RSA token", 200, () => signed(claims(), { alg: "RS256", kid: "rsa" }, rsa.privateKey)],
  ["one for several audiences", 200, () => signed(claims({ aud: ["other", "agentpg"] }))],
  ["one without iat", 200, () => signed(without("iat"))],
  ["one that expired 10 s ago", 200, () => signed(claims({ exp: now() - 10 }))],
  ["one that begins in 10 s", 200, () => signed(claims({ nbf: now() + 10 }))],
  ["one without kid when one key fits", 200, () => signed(claims(), { kid: undefined })],
  ["one with a user of 256 characters", 200, () => signed(claims({ sub: "u".repeat(256) }))],
  ["one that expired 40 s ago", 401, () => signed(claims({ exp: now() - 40 }))],
  ["one that expired long ago", 401, () => signed(claims({ exp: 1 }))],
  ["one that begins in 40 s", 401, () => signed(claims({ nbf: now() + 40 }))],
  ["one that never expires", 401, () => signed(without("exp"))],
  [
    "one that expires in words",
    401,
    () => unsigned({ alg: "ES256", kid: "es" }, claims({ exp: "never" as never }), "AAAA"),
  ],
  ["one for another audience", 401, () => signed(claims({ aud: "other" }))],
  ["one for no audience", 401, () => signed(without("aud"))],
  ["one for an audience that begins alike", 401, () => signed(claims({ aud: "agentpg2" }))],
  ["one of another issuer", 401, () => signed(claims({ iss: "https://other.example" }))],
  ["one of no issuer", 401, () => signed(without("iss"))],
  ["one of the issuer with a slash", 401, () => signed(claims({ iss: `${issuer}/` }))],
  ["one that a stranger signed", 401, () => signed(claims(), {}, stranger.privateKey)],
  ["one with an unknown kid", 401, () => signed(claims(), { kid: "other" })],
  ["one with another key's kid", 401, () => signed(claims(), { kid: "rsa" })],
  [
    "one signed with RSA under the EC key's name",
    401,
    () => signed(claims(), { alg: "RS256", kid: "es" }, rsa.privateKey),
  ],
  ["one signed with PS256 by an RS256 key", 401, async () => unsigned({ alg: "PS256", kid: "rsa" }, claims(), "AAAA")],
  ["one signed with the public key as a secret", 401, hmacWithPublicKey],
  ["alg none", 401, () => unsigned({ alg: "none" })],
  ["alg None", 401, () => unsigned({ alg: "None", kid: "es" })],
  ["alg NONE with a signature", 401, () => unsigned({ alg: "NONE" }, claims(), "AAAA")],
  ["no alg", 401, () => unsigned({ kid: "es" }, claims(), "AAAA")],
  ["an empty alg", 401, () => unsigned({ alg: "" }, claims(), "AAAA")],
  ["a list as alg", 401, () => unsigned({ alg: ["ES256"] }, claims(), "AAAA")],
  ["no signature", 401, () => unsigned({ alg: "ES256", kid: "es" })],
  [
    "a signature of zeros",
    401,
    () => unsigned({ alg: "ES256", kid: "es" }, claims(), Buffer.alloc(64).toString("base64url")),
  ],
  ["another header", 401, () => tampered(0)],
  ["another payload", 401, () => tampered(1)],
  ["another signature", 401, () => tampered(2)],
  [
    "a key of its own in the header",
    401,
    async () => signed(claims(), { kid: undefined, jwk: await exportJWK(stranger.publicKey) }, stranger.privateKey),
  ],
  [
    "a place for keys in the header",
    401,
    () => signed(claims(), { jku: "http://127.0.0.1:1/jwks" }, stranger.privateKey),
  ],
  ["a path as kid", 401, () => signed(claims(), { kid: "../../etc/passwd" })],
  ["SQL as kid", 401, () => signed(claims(), { kid: "' OR 1=1 --" })],
  ["a critical extension", 401, () => unsigned({ alg: "ES256", kid: "es", crit: ["x"], x: 1 }, claims(), "AAAA")],
  ["a payload that is a list", 401, () => unsigned({ alg: "ES256", kid: "es" }, [], "AAAA")],
  ["a payload that is no JSON", 401, () => unsigned({ alg: "ES256", kid: "es" }, "hello", "AAAA")],
  ["two parts", 401, () => "a.b"],
  ["four parts", 401, async () => `${await signed(claims())}.x`],
  ["five parts, as if encrypted", 401, () => "a.b.c.d.e"],
  ["rubbish", 401, () => "rubbish"],
  ["dots", 401, () => ".."],
  ["a token of more than 8 KB", 401, () => signed(claims({ pad: "x".repeat(8300) }))],
  ["no user", 401, () => signed(without("sub"))],
  ["an empty user", 401, () => signed(claims({ sub: "" }))],
  ["a number as user", 401, () => unsigned({ alg: "ES256", kid: "es" }, claims({ sub: 7 as never }), "AAAA")],
  ["a user of 257 characters", 401, () => signed(claims({ sub: "u".repeat(257) }))],
  ["a user with a NUL", 401, () => signed(claims({ sub: "a\u0000" }))],
  ["another tenant", 403, () => signed(claims({ tenant: "globex" }))],
  ["no tenant", 403, () => signed(without("tenant"))],
  ["a list of tenants", 403, () => signed(claims({ tenant: ["acme"] }))],
  ["the tenant in capitals", 403, () => signed(claims({ tenant: "ACME" }))],
  ["the tenant and a space", 403, () => signed(claims({ tenant: "acme " }))],
];

describe("a token", () => {
  let url: string;
  it.each(TOKENS)("that is %s gives %i", async (_what, status, token) => {
    url = await guarded(lenient());
    const bearer = `Bearer ${await token()}`;
    const answer = await call(url, bearer);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).not.toMatch(/JW[STK]|jose|signature|kid/);
    expect((await call(url, bearer)).status).toBe(status); // the second time too
  });

  it("comes as a bearer token, and not otherwise", async () => {
    url = await guarded(lenient());
    const token = await signed(claims());
    for (const [header, status] of [
      [undefined, 401],
      ["", 401],
      ["Bearer", 401],
      ["Bearer ", 401],
      [token, 401],
      [`Basic ${token}`, 401],
      [`Token ${token}`, 401],
      [`Bearer ${token} ${token}`, 401],
      [`Bearer ${token},x`, 401],
      [`bearer ${token}`, 200],
      [`BEARER  ${token}`, 200],
    ] as const)
      expect([header, (await call(url, header)).status]).toEqual([header, status]);
    expect((await call(`${url}/?access_token=${token}`)).status).toBe(401);
  });

  it("of the right tenant does not go with the name of another", async () => {
    url = await guarded(lenient());
    const bearer = `Bearer ${await signed(claims())}`;
    for (const [name, status] of [
      ["acme", 200],
      ["globex", 403],
      ["", 403],
      ["ACME", 403],
    ] as const)
      expect((await call(url, bearer, { "x-tenant-id": name })).status).toBe(status);
  });

  it("makes an administrator only with the scope that says so", async () => {
    url = await guarded(lenient());
    const admin = async (more: JWTPayload) => (await call(url, `Bearer ${await signed(claims(more))}`)).body;
    expect(await admin({ scope: "openid agentpg:admin" })).toMatchObject({ admin: true });
    expect(await admin({ scp: ["agentpg:admin"] })).toMatchObject({ admin: true });
    for (const scope of ["agentpg:administrator", "AGENTPG:ADMIN", "", undefined])
      expect(await admin({ scope })).toMatchObject({ admin: false });
  });
});

describe("the issuer's keys", () => {
  it("are fetched once more for a key that nobody knows, and then not for a while", async () => {
    const url = await guarded({
      ...lenient(),
      ages: { ...KEY_AGES, refresh: 60_000, stale: 60_000, unreachable: 60_000, coolDown: 300 },
    });
    expect((await call(url, `Bearer ${await signed(claims())}`)).status).toBe(200);
    const before = fetches;
    const next = await generateKeyPair("ES256", { extractable: true });
    published = [...published, await jwk(next, "next", "ES256")];
    const bearer = `Bearer ${await signed(claims(), { kid: "next" }, next.privateKey)}`;
    await eventually(
      async () => (await call(url, bearer)).status,
      (status) => status === 200,
      5,
      50,
    );
    const after = fetches;
    expect(after).toBeGreaterThan(before);
    for (let i = 0; i < 20; i++) await call(url, `Bearer ${await signed(claims(), { kid: `unknown-${i}` })}`);
    expect(fetches - after).toBeLessThan(5);
  });

  it("that were taken back are good for no longer, for a token that was seen before as well", async () => {
    const url = await guarded({
      ...lenient(),
      ages: { ...KEY_AGES, refresh: 100, stale: 200, unreachable: 60_000, coolDown: 20 },
    });
    const bearer = `Bearer ${await signed(claims(), { alg: "RS256", kid: "rsa" }, rsa.privateKey)}`;
    expect((await call(url, bearer)).status).toBe(200);
    published = published.filter(({ kid }) => kid !== "rsa");
    await eventually(
      async () => (await call(url, bearer)).status,
      (status) => status === 401,
      5,
      20,
    );
    published = [...published, await jwk(rsa, "rsa", "RS256")];
  });

  it("are waited for once they are stale: the first request after that is refused for a key that was taken back", async () => {
    const url = await guarded({
      ...lenient(),
      ages: { ...KEY_AGES, refresh: 0, stale: 0, unreachable: 60_000, coolDown: 0 },
    });
    const bearer = `Bearer ${await signed(claims(), { alg: "RS256", kid: "rsa" }, rsa.privateKey)}`;
    expect((await call(url, bearer)).status).toBe(200);
    published = published.filter(({ kid }) => kid !== "rsa");
    expect((await call(url, bearer)).status).toBe(401);
    published = [...published, await jwk(rsa, "rsa", "RS256")];
  });

  it("stay good for a while when the issuer is down; without any there is no telling", async () => {
    const ages = { ...KEY_AGES, refresh: 10, stale: 20, unreachable: 60_000, coolDown: 10 };
    const [known, fresh] = [await guarded({ ...lenient(), ages }), await guarded({ ...lenient(), ages })];
    const bearer = `Bearer ${await signed(claims())}`;
    expect((await call(known, bearer)).status).toBe(200);
    down = true;
    expect(await call(fresh, bearer)).toMatchObject({ status: 503, retryAfter: 5 });
    for (let i = 0; i < 5; i++)
      expect((await call(known, `Bearer ${await signed(claims({ n: i }))}`)).status).toBe(200);
    down = false;
    await eventually(
      async () => (await call(fresh, bearer)).status,
      (status) => status === 200,
      5,
      20,
    );
  });

  describe("of an issuer that does not answer", () => {
    beforeEach(() => {
      unanswered = 0;
    });
    afterEach(() => {
      silent = false;
      server.closeAllConnections();
    });

    it("are waited for once, and not long, while the last ones are good", async () => {
      const ages = { ...KEY_AGES, refresh: 0, stale: 0, patience: 100, timeOut: 60_000 };
      const url = await guarded({ ...lenient(), ages });
      const bearer = `Bearer ${await signed(claims())}`;
      expect((await call(url, bearer)).status).toBe(200);
      silent = true;
      const start = performance.now();
      for (let i = 0; i < 20; i++) expect((await call(url, bearer)).status).toBe(200);
      expect(performance.now() - start).toBeLessThan(30_000);
      expect(unanswered).toBe(1);
    });

    it("are asked for again only a while after that failed", async () => {
      const ages = { ...KEY_AGES, refresh: 0, stale: 60_000, coolDown: 250, timeOut: 300 };
      const url = await guarded({ ...lenient(), ages });
      const bearer = `Bearer ${await signed(claims())}`;
      expect((await call(url, bearer)).status).toBe(200);
      silent = true;
      const start = performance.now();
      await eventually(
        async () => expect((await call(url, bearer)).status).toBe(200),
        () => unanswered >= 4,
        30,
        1,
      );
      expect(performance.now() - start).toBeGreaterThan(3 * (ages.timeOut + ages.coolDown) - 50);
    });

    it("are waited for by all together where there are none", async () => {
      silent = true;
      const url = await guarded({ ...lenient(), ages: { ...KEY_AGES, timeOut: 2000 } });
      const bearer = `Bearer ${await signed(claims())}`;
      const answers = await Promise.all(Array.from({ length: 10 }, () => call(url, bearer)));
      expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(503));
      expect(unanswered).toBe(1);
    });
  });
});

describe("too many bad tokens", () => {
  it("from one address are not looked at any more, while good ones that are known still are", async () => {
    const url = await guarded({ attempts: new FailedAttempts(5) });
    const known = `Bearer ${await signed(claims())}`;
    expect((await call(url, known)).status).toBe(200);
    for (let i = 0; i < 5; i++) expect((await call(url, "Bearer a.b.c")).status).toBe(401);
    const refused = await call(url, "Bearer a.b.c");
    expect(refused.status).toBe(429);
    expect(refused.retryAfter).toBeGreaterThan(0);
    expect((await call(url, known)).status).toBe(200);
  });

  it("of many addresses take no more memory than a few", () => {
    const attempts = new FailedAttempts(1, 2);
    for (const address of ["a", "b", "c"]) attempts.count(address);
    expect(["a", "b", "c"].map((it) => attempts.blockedFor(it) !== undefined)).toEqual([false, true, true]);
  });
});

it("what tokens say is remembered for those used last, until they expire or the keys change", () => {
  const tokens = new VerifiedTokens<string>(2);
  const later = Date.now() + 10_000;
  tokens.set("a", "A", later, 1);
  tokens.set("b", "B", later, 1);
  expect(tokens.get("a", 1)).toBe("A");
  tokens.set("c", "C", later, 1);
  expect(["a", "b", "c"].map((it) => tokens.get(it, 1))).toEqual(["A", undefined, "C"]);
  tokens.set("d", "D", Date.now() - 1, 1);
  expect(tokens.get("d", 1)).toBeUndefined();
  expect(tokens.get("c", 2)).toBeUndefined();
});
