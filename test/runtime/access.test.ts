import { createServer, type Server } from "node:http";
import { mkdir, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from "jose";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AgentClient } from "../../src/runtime/client.ts";
import { all, types, World } from "./fixture.ts";

let world: World;
let issuer: string;
let server: Server;
type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
let keys: Keys;
let jwks: object;

beforeAll(async () => {
  world = await World.create();
  keys = await generateKeyPair("ES256", { extractable: true });
  jwks = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: "k1", alg: "ES256" }] };
  server = createServer((req, res) => {
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(req.url?.includes("openid") ? { issuer, jwks_uri: `${issuer}/jwks` } : jwks));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server?.close();
  await world?.close();
});
beforeEach(() => world.fresh());
afterEach(() => world.stopAgents());

const token = (
  claims: JWTPayload,
  change: { aud?: string; iss?: string; exp?: string; key?: Keys["privateKey"] } = {},
) =>
  new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", kid: "k1" })
    .setIssuer(change.iss ?? issuer)
    .setAudience(change.aud ?? "agentpg")
    .setIssuedAt()
    .setExpirationTime(change.exp ?? "5m")
    .sign(change.key ?? keys.privateKey);

const oidc = () => ({
  source: "oidc" as const,
  issuer,
  audience: "agentpg",
  tenantClaim: "tenant",
  userClaim: "sub",
  tenant: "acme",
});
const cluster = () => ({ source: "cluster" as const, issuer, audience: "agentpg", namespace: "acme" });

async function call(url: string, path: string, bearer?: string, headers: Record<string, string> = {}, body?: unknown) {
  const all = {
    ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
    "content-type": "application/json",
    ...headers,
  };
  const response = await fetch(`${url}${path}`, {
    headers: all,
    ...(body ? { method: "POST", body: JSON.stringify(body) } : {}),
  });
  return {
    status: response.status,
    type: response.headers.get("content-type"),
    body: (await response.json()) as never,
  };
}

describe("a stream of events", () => {
  const SKEW = 30;
  /** A token that is good for so many more seconds. */
  const lasting = (seconds: number) => token({ sub: "ann", tenant: "acme" }, { exp: `${seconds - SKEW}s` });

  it("ends with its token; a client that has another one goes on by itself", async () => {
    const { url } = await world.start({ access: oidc() });
    await world.fresh({ chunkDelayMs: 300, chunks: 25 });
    const tokens = [await lasting(300), await lasting(4)];
    let asked = 0;
    const client = new AgentClient({
      baseUrl: url,
      token: async () => tokens[asked++] ?? (await token({ sub: "ann", tenant: "acme" })),
    });
    const events = await all(client.run((await client.createSession()).id, "Hello"));
    expect(asked).toBeGreaterThan(2);
    expect(types(events).at(-1)).toBe("run.completed");
  });

  it("says to a client that has no other token that it is not valid any more", async () => {
    const { url } = await world.start({ access: oidc() });
    await world.fresh({ chunkDelayMs: 300, chunks: 25 });
    const client = new AgentClient({ baseUrl: url, token: await lasting(4) });
    const { id } = await client.createSession();
    await expect(all(client.run(id, "Hello"))).rejects.toMatchObject({ status: 401 });
  });
});

describe("who may call", () => {
  it("is nobody whose id Postgres cannot keep as it is", async () => {
    const { url } = await world.start({ access: oidc() });
    for (const sub of ["a\u0000b", "\ud800", "\udc00x", ""])
      expect(await call(url, "/v1/sessions", await token({ sub, tenant: "acme" }), {}, {})).toMatchObject({
        status: 401,
      });
  });

  it("is decided by the token, then by the tenant, then by the session", async () => {
    const { url } = await world.start({ access: oidc() });
    const ann = await token({ sub: "ann", tenant: "acme" });
    const bob = await token({ sub: "bob", tenant: "acme" });
    const other = await generateKeyPair("ES256");
    const session = (await call(url, "/v1/sessions", ann, {}, {})).body as { id: string };
    const mine = `/v1/sessions/${session.id}`;
    const run = (await call(url, `${mine}/runs`, ann, {}, { message: "Hello" })).body as { id: string };
    const status = async (...args: Parameters<typeof call> extends [string, ...infer Rest] ? Rest : never) =>
      (await call(url, ...args)).status;

    expect(await status(mine, ann)).toBe(200);
    expect(await status(mine, ann, { "x-tenant-id": "acme" })).toBe(200);
    // 401: no token, or none that counts
    expect(await status(mine)).toBe(401);
    expect(await status(mine, "rubbish")).toBe(401);
    expect(await status(mine, await token({ sub: "ann", tenant: "acme" }, { aud: "another" }))).toBe(401);
    expect(await status(mine, await token({ sub: "ann", tenant: "acme" }, { iss: "https://other.example" }))).toBe(401);
    expect(await status(mine, await token({ sub: "ann", tenant: "acme" }, { exp: "-5m" }))).toBe(401);
    expect(await status(mine, await token({ sub: "ann", tenant: "acme" }, { key: other.privateKey }))).toBe(401);
    expect(await status(mine, await token({ tenant: "acme" }))).toBe(401);
    const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from(JSON.stringify({ sub: "ann", tenant: "acme", iss: issuer, aud: "agentpg", exp: 9999999999 })).toString("base64url")}.`;
    expect(await status(mine, none)).toBe(401);
    // 403: another tenant's token, another tenant's name, another user's session and runs
    expect(await status(mine, await token({ sub: "ann", tenant: "globex" }))).toBe(403);
    expect(await status(mine, await token({ sub: "ann" }))).toBe(403);
    expect(await status(mine, ann, { "x-tenant-id": "globex" })).toBe(403);
    expect(await status(mine, bob)).toBe(403);
    expect(await status(`${mine}/messages`, bob)).toBe(403);
    expect(await status(`${mine}/runs`, bob, {}, { message: "Hello" })).toBe(403);
    expect(await status(`/v1/runs/${run.id}`, bob)).toBe(403);
    expect(await status(`/v1/runs/${run.id}/events`, bob)).toBe(403);
    expect(await status(`/v1/runs/${run.id}/cancel`, bob, {}, { x: 1 })).toBe(403);
    // 404
    expect(await status("/v1/sessions/01890000-0000-7000-8000-000000000000", ann)).toBe(404);
    expect(await status("/v1/sessions/nonsense", ann)).toBe(404);
    expect(((await call(url, "/v1/sessions", bob)).body as { items: unknown[] }).items).toEqual([]);
  });

  it("are service accounts of the tenant's namespace, when there is no issuer of its own", async () => {
    const directory = join(world.folder, "access");
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "jwks.json"), JSON.stringify(jwks));
    const { url } = await world.start({ access: cluster() }, {}, { AGENTPG_ACCESS_DIR: directory });
    const inside = await token({ sub: "system:serviceaccount:acme:web", "kubernetes.io": { namespace: "acme" } });
    const outside = await token({ sub: "system:serviceaccount:globex:web", "kubernetes.io": { namespace: "globex" } });
    expect((await call(url, "/v1/sessions", inside)).status).toBe(200);
    expect((await call(url, "/v1/sessions", outside)).status).toBe(403);
    expect((await call(url, "/v1/sessions", await token({ sub: "x" }))).status).toBe(403);
    expect((await call(url, "/v1/sessions")).status).toBe(401);
  });

  it("is told with problem documents that hold nothing internal", async () => {
    const { url } = await world.start({ access: oidc() });
    const ann = await token({ sub: "ann", tenant: "acme" });
    const refused = await call(url, "/v1/sessions");
    expect(refused).toEqual({
      status: 401,
      type: "application/problem+json; charset=utf-8",
      body: {
        type: "urn:agentpg:problem:unauthenticated",
        title: "Unauthorized",
        status: 401,
        detail: "send a bearer token",
      },
    });
    const { id } = (await call(url, "/v1/sessions", ann, {}, {})).body as { id: string };
    expect(await call(url, `/v1/sessions/${id}/runs`, ann, {}, { message: "" })).toMatchObject({
      status: 400,
      body: { title: "Bad Request" },
    });
    expect(await call(url, `/v1/sessions/${id}/runs`, ann, {}, { message: "x".repeat(2_000_000) })).toMatchObject({
      status: 413,
    });
    expect(await call(url, "/v1/nothing", ann)).toMatchObject({ status: 404 });
    expect((await call(url, "/openapi.json")).body).toMatchObject({ openapi: "3.1.0" });
    expect((await fetch(`${url}/metrics`)).status).toBe(404);
  });

  it("is limited by the tenant's runs a minute", async () => {
    const { client, url } = await world.start({
      name: "limited",
      tenantLimits: { runsPerMinute: 3 + (await recentRuns()), concurrentRuns: 10 },
    });
    const session = await client.createSession();
    for (let i = 0; i < 3; i++) await client.ask(session.id, "Hello");
    const refused = await fetch(`${url}/v1/sessions/${session.id}/runs`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"message":"Hello"}',
    });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  });
});

const recentRuns = async () => Number((await world.sql<{ n: string }>("SELECT count(*) AS n FROM runs"))[0]?.n);
