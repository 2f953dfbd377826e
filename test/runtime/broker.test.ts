import { createHmac, randomUUID } from "node:crypto";
import { request } from "node:http";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BROKER_REFUSAL_HEADER, type BrokerConfig } from "../../src/api/broker-config.ts";
import { Bodies } from "../../src/broker/bodies.ts";
import { type Broker, type BrokerParts, startBroker } from "../../src/broker/broker.ts";
import { BudgetGate } from "../../src/broker/budget-gate.ts";
import { parseBrokerConfig } from "../../src/broker/config.ts";
import { Meter } from "../../src/broker/meter.ts";
import { AgentDatabase } from "../../src/database/runs/database.ts";
import { newServerCertificate, type ServerCertificate } from "../../src/operator/tenant/broker-tls/certificate.ts";
import { readEnvironment } from "../../src/runtime/config.ts";
import { brokerCertificates } from "../../src/runtime/credentials/broker-certificates.ts";
import { type DatabaseSettings, databaseSource } from "../../src/runtime/credentials/database-settings.ts";
import { Watched } from "../../src/process/watched.ts";
import { modelFetch } from "../../src/runtime/model/transport.ts";
import { FailedAttempts } from "../../src/runtime/http/failed-attempts.ts";
import { createLogger } from "../../src/telemetry/log.ts";
import { eventually } from "../support/eventually.ts";
import { all, secretFiles, SecretVolume, textOf, types, World } from "./fixture.ts";

const ISSUER = "https://kubernetes.default.svc.cluster.local";
const KEY = "sk-ant-test-0001";
const MODEL = "claude-sonnet-5-5";

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
let world: World;
let signer: Keys;
let stranger: Keys;
let access: SecretVolume;
const brokers: Broker[] = [];
const log: string[] = [];

beforeAll(async () => {
  world = await World.create();
  [signer, stranger] = await Promise.all([
    generateKeyPair("RS256", { extractable: true }),
    generateKeyPair("RS256", { extractable: true }),
  ]);
  access = new SecretVolume(join(world.folder, "access"));
  const jwks = { keys: [{ ...(await exportJWK(signer.publicKey)), kid: "one", alg: "RS256" }] };
  await access.publish({ "jwks.json": JSON.stringify(jwks) });
});
afterAll(async () => {
  await Promise.all(brokers.map((it) => it.stop(0)));
  await world?.close();
});

const configOf = (more: Partial<BrokerConfig> = {}): BrokerConfig =>
  parseBrokerConfig(
    JSON.stringify({
      tenant: world.tenant,
      issuer: ISSUER,
      allowedModels: [],
      budget: {},
      anthropicBaseUrl: world.claudeUrl,
      ...more,
    }),
  );

/** A key broker in this process; where it is. */
async function aBroker(more: Partial<BrokerConfig> = {}, parts: BrokerParts = {}): Promise<Broker & { url: string }> {
  const env = readEnvironment(world.environment({ AGENTPG_ACCESS_DIR: access.path }));
  const logger = createLogger("agentpg-broker", "trace", { write: (line) => void log.push(line) });
  const attempts = new FailedAttempts(10_000);
  const broker = await startBroker({ config: configOf(more), env }, logger, { attempts, ...parts });
  brokers.push(broker);
  return Object.assign(broker, { url: `http://127.0.0.1:${broker.port}` });
}

const now = () => Math.floor(Date.now() / 1000);
const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const bound = (more: object = {}) => ({
  namespace: "acme",
  node: { name: "n", uid: randomUUID() },
  pod: { name: "agent-support-5d9f-x7k2p", uid: "pod-uid-1" },
  serviceaccount: { name: "agent-support", uid: randomUUID() },
  ...more,
});
/** What the kubelet gives an agent's pod. */
const claims = (more: JWTPayload = {}): JWTPayload => ({
  iss: ISSUER,
  aud: ["agentpg-broker"],
  sub: "system:serviceaccount:acme:agent-support",
  iat: now(),
  exp: now() + 600,
  "kubernetes.io": bound(),
  ...more,
});
const signed = (payload: JWTPayload = claims(), key = signer.privateKey) =>
  new SignJWT(payload).setProtectedHeader({ alg: "RS256", kid: "one" }).sign(key);

interface ErrorBody {
  type: string;
  error: { type: string; message: string };
}
const aQuestion = (more: object = {}) => ({
  model: MODEL,
  max_tokens: 100,
  messages: [{ role: "user", content: [{ type: "text", text: "hello" }] }],
  ...more,
});
async function ask(url: string, body: unknown, headers: Record<string, string> = {}, path = "/v1/messages") {
  const token = await signed();
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "anthropic-version": "2026-10-21",
      ...headers,
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) as ErrorBody };
}
const audited = async (reason: string) =>
  (
    await world.sql<{ record: string }>(
      "SELECT record FROM audit WHERE record::jsonb ->> 'action' = 'model.refused' ORDER BY seq",
    )
  )
    .map((it) => JSON.parse(it.record) as Record<string, unknown>)
    .filter((it) => it["reason"] === reason);

describe("a token", () => {
  const hmac = async () => {
    const text = `${b64({ alg: "HS256", kid: "one" })}.${b64(claims())}`;
    return `${text}.${createHmac("sha256", await exportSPKI(signer.publicKey))
      .update(text)
      .digest("base64url")}`;
  };
  const REFUSED: [what: string, token: () => Promise<string> | string, why: string][] = [
    ["that is none", () => "", "none that can be read"],
    ["that is the API key", () => KEY, "signature"],
    ["that has expired", () => signed(claims({ iat: now() - 700, exp: now() - 60 })), "expired"],
    ["for the API server", () => signed(claims({ aud: [ISSUER] })), "another audience"],
    ["for agents", () => signed(claims({ aud: "agentpg" })), "another audience"],
    ["for the API server too", () => signed(claims({ aud: ["agentpg-broker", ISSUER] })), "others too"],
    ["of another issuer", () => signed(claims({ iss: "https://elsewhere" })), "another issuer"],
    ["of another cluster's key", () => signed(claims(), stranger.privateKey), "signature"],
    ["without a signature", () => `${b64({ alg: "none" })}.${b64(claims())}.`, "signature"],
    ["signed with the public key as a secret", hmac, "signature"],
    ["of another namespace", () => signed(claims({ "kubernetes.io": bound({ namespace: "globex" }) })), "namespace"],
    [
      "whose subject is of another namespace",
      () => signed(claims({ sub: "system:serviceaccount:globex:agent-support" })),
      "namespace",
    ],
    ["that is bound to no pod", () => signed(claims({ "kubernetes.io": bound({ pod: undefined }) })), "bound"],
    ["that says nothing of Kubernetes", () => signed(claims({ "kubernetes.io": undefined })), "bound"],
    [
      "of a pod that is no agent's",
      () =>
        signed(
          claims({
            sub: "system:serviceaccount:acme:web",
            "kubernetes.io": bound({ serviceaccount: { name: "web" }, pod: { name: "web-5d9f-x7k2p", uid: "u" } }),
          }),
        ),
      "agent's pod",
    ],
    [
      "of an agent's account in another pod",
      () => signed(claims({ "kubernetes.io": bound({ pod: { name: "web-1", uid: "u" } }) })),
      "agent's pod",
    ],
    ["that is good for a year", () => signed(claims({ exp: now() + 31_536_000 })), "3600 s"],
  ];
  let url: string;
  beforeAll(async () => {
    url = (await aBroker()).url;
  });

  it.each(REFUSED)("%s is refused, and nothing of the call is passed on", async (_what, token, why) => {
    await world.fresh({ keepRequests: 10 });
    const { status, headers, json } = await ask(url, aQuestion(), { authorization: `Bearer ${await token()}` });
    expect(status).toBe(401);
    expect(headers.get(BROKER_REFUSAL_HEADER)).toBe("token");
    expect(headers.get("x-should-retry")).toBe("false");
    expect(json()).toMatchObject({ type: "error", error: { type: "authentication_error" } });
    expect(json().error.message).toContain(why);
    expect(world.claude.stats.requests).toBe(0);
  });

  it("as the kubelet gives it is taken, and the model sees the key in its place", async () => {
    await world.fresh();
    expect((await ask(url, aQuestion())).status).toBe(200);
    expect(world.claude.stats.keys).toEqual({ "0001": 1 });
  });

  it("that is known is refused from its end on", async () => {
    await world.fresh();
    // Clocks may differ by 30 s: it ends in two.
    const token = await signed(claims({ iat: now() - 600, exp: now() - 28, jti: randomUUID() }));
    const status = async () => (await ask(url, aQuestion(), { authorization: `Bearer ${token}` })).status;
    expect(await status()).toBe(200);
    await eventually(status, (it) => it === 401, 10);
  });

  it("that is no good too often bars its address, and a good one that is known goes on", async () => {
    const { url } = await aBroker({}, { attempts: new FailedAttempts(3) });
    const good = { authorization: `Bearer ${await signed()}` };
    expect((await ask(url, aQuestion(), good)).status).toBe(200);
    const bad = { authorization: `Bearer ${await signed(claims(), stranger.privateKey)}` };
    for (const status of [401, 401, 401, 429]) expect((await ask(url, aQuestion(), bad)).status).toBe(status);
    expect((await ask(url, aQuestion(), good)).status).toBe(200);
  });

  it("that is refused is in the audit log once, with how often it came again", async () => {
    // Its lines are known by a name of its own: others are written whenever they are.
    const broker = await aBroker({ tenant: { ...world.tenant, name: "counted" } });
    const lines = async () => (await audited("token")).filter((it) => it["tenant"] === "counted");
    const bad = { authorization: `Bearer ${await signed(claims(), stranger.privateKey)}` };
    for (let i = 0; i < 5; i++) await ask(broker.url, aQuestion(), bad);
    await eventually(lines, (it) => it.length === 1);
    await broker.stop(0);
    brokers.splice(brokers.indexOf(broker), 1);
    expect(await lines()).toMatchObject([
      { calls: 1, pod: null, address: "127.0.0.1" },
      { calls: 4, pod: null },
    ]);
  });
});

describe("a call", () => {
  it.each([
    ["GET", "/v1/files"],
    ["GET", "/v1/models"],
    ["GET", "/v1/models/..%2Ffiles"],
    ["GET", "/v1/models/%2e%2e"],
    ["GET", "/v1/messages/batches/../../files"],
    ["GET", "/v1/messages/batches?limit=1&url=http://169.254.169.254"],
    ["GET", "http://169.254.169.254/v1/messages/batches"],
    ["GET", "//169.254.169.254/v1/messages/batches"],
    ["POST", "/v1/messages?beta=true"],
    ["POST", "/v1/complete"],
    ["DELETE", "/v1/messages/batches/msgbatch_1"],
  ])("of something else is not passed on: %s %s", async (method, path) => {
    await world.fresh();
    const { port } = await theBroker();
    const headers = { authorization: `Bearer ${await signed()}` };
    const status = await new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port, method, path, headers }, (res) => resolve(res.resume().statusCode))
        .on("error", reject)
        .end();
    });
    expect(status).toBe(404);
    expect(world.claude.stats.requests).toBe(0);
  });

  it("is passed on without what says whose it is", async () => {
    await world.fresh({ keepRequests: 1 });
    const { url } = await theBroker();
    const seen: Record<string, unknown>[] = [];
    const look = (req: { headers: Record<string, unknown> }) => seen.push(req.headers);
    world.claude.server.prependListener("request", look as never);
    await ask(url, aQuestion(), {
      "x-forwarded-for": "10.1.2.3",
      cookie: "a=b",
      "anthropic-beta": "x",
      "x-api-key": "k",
    });
    world.claude.server.off("request", look as never);
    expect(Object.keys(seen[0] ?? {}).sort()).toEqual([
      "accept",
      "accept-encoding",
      "anthropic-version",
      "authorization",
      "connection",
      "content-length",
      "content-type",
      "host",
    ]);
    expect(world.claude.requests[0]?.body).toEqual(aQuestion());
  });

  it("of a model that the tenant may not use is refused, in a batch too, and is in the audit log with pod and agent", async () => {
    await world.fresh();
    const { url } = await aBroker({ allowedModels: ["claude-haiku-5-5"] });
    const { status, headers, json } = await ask(url, aQuestion());
    expect([status, headers.get(BROKER_REFUSAL_HEADER)]).toEqual([404, "model"]);
    expect(json().error.message).toMatch(/claude-sonnet-5-5 is not among this tenant's models.*allowedModels/);
    const batch = { requests: [{ custom_id: "a", params: aQuestion({ model: "claude-haiku-5-5" }) }] };
    expect((await ask(url, batch, {}, "/v1/messages/batches")).status).toBe(200);
    batch.requests.push({ custom_id: "b", params: aQuestion() });
    expect((await ask(url, batch, {}, "/v1/messages/batches")).status).toBe(404);
    expect((await ask(url, aQuestion(), {}, "/v1/messages/count_tokens")).status).toBe(404);
    const lines = await eventually(
      () => audited("model"),
      (it) => it.length > 0,
    );
    expect(lines[0]).toMatchObject({
      agent: "support",
      pod: "agent-support-5d9f-x7k2p",
      podUid: "pod-uid-1",
      calls: 1,
    });
  });

  it("that is too large, or no JSON, or names no model, is refused", async () => {
    const { url } = await aBroker({}, { bodies: new Bodies(2000) });
    const long = aQuestion({ system: "x".repeat(5000) });
    expect(await ask(url, long)).toMatchObject({ status: 413 });
    const chunked = new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode("x".repeat(1500)));
      },
    });
    const authorization = `Bearer ${await signed()}`;
    const init = { method: "POST", headers: { authorization }, body: chunked, duplex: "half" };
    const outcome = await fetch(`${url}/v1/messages`, init as RequestInit).then(
      (it) => it.status,
      () => "cut off",
    );
    expect([413, "cut off"]).toContain(outcome);
    expect((await ask(url, "{")).json().error.message).toBe("the body is not JSON");
    expect((await ask(url, aQuestion({ model: 7 }))).json().error.message).toMatch(/^model: /);
  });

  it("that finds the memory full of others is to come again", async () => {
    const { url } = await aBroker({}, { bodies: new Bodies(10_000, 100) });
    const { status, headers } = await ask(url, aQuestion());
    expect([status, headers.get("retry-after"), headers.get("x-should-retry")]).toEqual([529, "1", "true"]);
  });
});

let shared: Promise<Broker & { url: string }> | undefined;
/** One for those who change nothing of it. */
const theBroker = () => (shared ??= aBroker());

describe("the endpoint's answer", () => {
  it("comes as it is streamed, not when it is whole", async () => {
    await world.fresh({ chunkDelayMs: 60, replyText: "one two three four five six seven eight" });
    const { url } = await theBroker();
    const response = await fetch(`${url}/v1/messages`, {
      method: "POST",
      headers: { authorization: `Bearer ${await signed()}`, "anthropic-version": "2026-10-21" },
      body: JSON.stringify(aQuestion({ stream: true })),
    });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const times: number[] = [];
    for await (const _ of response.body as unknown as AsyncIterable<Uint8Array>) times.push(performance.now());
    expect(times.length).toBeGreaterThan(5);
    expect((times.at(-1) as number) - (times[0] as number)).toBeGreaterThan(200);
  });

  it.each([
    ["rate_limit", 429, "rate_limit_error"],
    ["overloaded", 529, "overloaded_error"],
    ["server_error", 500, "api_error"],
    ["bad_request", 400, "invalid_request_error"],
  ] as const)("%s is passed with its retry-after, and is not the broker's own", async (kind, status, type) => {
    await world.fresh({ faults: [{ kind, at: [1], retryAfter: 7 }] });
    const { url } = await theBroker();
    const answer = await ask(url, aQuestion());
    expect(answer.status).toBe(status);
    expect(answer.json().error.type).toBe(type);
    expect(answer.headers.get(BROKER_REFUSAL_HEADER)).toBeNull();
    expect(answer.headers.get("request-id")).toMatch(/^req_/);
    expect(answer.headers.get("retry-after")).toBe("7");
  });

  it("that is none, as the endpoint is away, is an error that the agent waits out", async () => {
    const { url } = await aBroker({ anthropicBaseUrl: "http://127.0.0.1:9" });
    const { status, headers, text } = await ask(url, aQuestion());
    expect([status, headers.get(BROKER_REFUSAL_HEADER), headers.get("x-should-retry")]).toEqual([
      502,
      "unreachable",
      "true",
    ]);
    expect(text).not.toContain("127.0.0.1");
  });

  it("that breaks off in a stream breaks off for the agent too", async () => {
    await world.fresh({ faults: [{ kind: "reset", at: [1], afterEvents: 3 }] as never });
    const { url } = await theBroker();
    await expect(ask(url, aQuestion({ stream: true }))).rejects.toThrow("terminated");
  });
});

describe("the key", () => {
  it("is changed while calls are under way: none fails, and the next ones use the new one", async () => {
    await world.fresh({ chunkDelayMs: 40, replyText: "one two three four five six seven eight nine ten" });
    const { url } = await aBroker();
    const underWay = ask(url, aQuestion({ stream: true }));
    await eventually(
      async () => world.claude.stats.modelCalls,
      (calls) => calls === 1,
    );
    await world.anthropic.publish({ "api-key": "sk-ant-test-0002" });
    world.claude.config.badKeys = [KEY]; // revoked before the broker looked again
    expect((await ask(url, aQuestion())).status).toBe(200);
    const { status, text } = await underWay;
    expect(status).toBe(200);
    expect(text).toContain("message_stop");
    expect(world.claude.stats.keys["0002"]).toBe(1);
    await world.anthropic.publish({ "api-key": KEY });
  });

  it("that the endpoint refuses is told as the endpoint does, and what it repeats of it is not", async () => {
    await world.fresh({ badKeys: [KEY] });
    const { url } = await aBroker();
    await eventually(
      async () => (await ask(url, aQuestion())).status,
      (status) => status === 401,
    );
    const { headers, text } = await ask(url, aQuestion());
    expect(headers.get(BROKER_REFUSAL_HEADER)).toBeNull();
    expect(text).toContain("invalid x-api-key");
  });

  it("that is not there yet is asked for by name", async () => {
    const empty = new SecretVolume(join(world.folder, "no-key"));
    await empty.publish({ other: "x" });
    const env = readEnvironment(
      world.environment({ AGENTPG_ACCESS_DIR: access.path, AGENTPG_ANTHROPIC_DIR: empty.path }),
    );
    const broker = await startBroker({ config: configOf(), env }, createLogger("b", "fatal"));
    brokers.push(broker);
    const { status, headers, json } = await ask(`http://127.0.0.1:${broker.port}`, aQuestion());
    expect([status, headers.get(BROKER_REFUSAL_HEADER)]).toEqual([401, "no-key"]);
    expect(json().error.message).toContain("apiKeySecretRef");
  });
});

describe("the tenant's budget", () => {
  const spend = (usd: string) =>
    world.sql(
      `INSERT INTO usage_daily (day, agent, model, runs, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, usd)
       VALUES ((now() AT TIME ZONE 'UTC')::date, 'support', $1, 1, 1, 1, 0, 0, $2)
       ON CONFLICT (day, agent, model) DO UPDATE SET usd = excluded.usd`,
      [MODEL, usd],
    );

  it("that is spent lets no call through, says until when, and is in the audit log", async () => {
    await world.fresh();
    await spend("0.9999");
    const { url } = await aBroker({ budget: { perDay: { usd: "1" } } });
    const { status, headers, json } = await ask(url, aQuestion());
    expect([status, headers.get(BROKER_REFUSAL_HEADER)]).toEqual([402, "budget"]);
    expect(json().error.message).toMatch(/budget\.perDay\.usd \(1 USD\) would be exceeded; it resets at /);
    const batch = { requests: [{ custom_id: "a", params: aQuestion() }] };
    expect((await ask(url, batch, {}, "/v1/messages/batches")).status).toBe(402);
    expect((await ask(url, aQuestion({ max_tokens: undefined }), {}, "/v1/messages/count_tokens")).status).toBe(200);
    expect(world.claude.stats.modelCalls).toBe(0);
    const [line] = await eventually(
      () => audited("budget"),
      (it) => it.length > 0,
    );
    expect(line).toMatchObject({ agent: "support", pod: "agent-support-5d9f-x7k2p" });
    await spend("0");
  });

  it("holds for an agent that writes nothing down of what it spends", async () => {
    await world.fresh({ sayings: [{ match: "hello", usage: { output_tokens: 66_600 }, times: 10 }] as never });
    await spend("0");
    const { url, metricsPort } = await aBroker({ budget: { perDay: { usd: "1" } } });
    const ratio = async () => {
      const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
      return Number(/^agentpg_broker_budget_ratio (.*)$/m.exec(text)?.[1]);
    };
    expect(await ratio()).toBe(0);
    expect((await ask(url, aQuestion({ stream: true }))).status).toBe(200);
    expect((await ask(url, aQuestion())).status).toBe(402);
    expect(await ratio()).toBeGreaterThan(0.95); // though no run has written anything down
  });

  it("is looked up in the schema that the broker began with: one that gets another is to be started anew", async () => {
    const { overtaken } = await aBroker();
    const other = "t_0123456789ab";
    await world.database.publish(secretFiles(world.connection, other, "2"));
    const { message } = await overtaken;
    await world.database.publish(secretFiles(world.connection, world.names.schema));
    expect(message).toContain(`name the schema ${other}, and this process began with ${world.names.schema}`);
  });

  it("that cannot be looked up lets no call through: it is to come again", async () => {
    const source = await databaseSource(readEnvironment(world.environment())).start();
    const { schema, connection } = source.value as DatabaseSettings;
    source.stop();
    const limits = { min: 0, max: 1, idleMs: 1000, lifetimeSeconds: 60 };
    const db = new AgentDatabase(schema, connection, "test", limits, () => {});
    await db.close();
    const gate = new BudgetGate(db, { budget: { perDay: { usd: "1" } } }, new Meter());
    const refused = await gate.enter({ usd: 0.01, tokens: 10 }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ reason: "budget-unknown", status: 529, retryAfter: 5 });
    await expect(gate.enter({ usd: 0, tokens: 0 })).resolves.toBeTypeOf("function");
  });

  it("has calls that it may have no room for beside others wait", async () => {
    await world.fresh({ latencyMs: 400 });
    await spend("0");
    const { url } = await aBroker({ budget: { perDay: { tokens: 1200 } } });
    const first = ask(url, aQuestion());
    await eventually(
      async () => world.claude.stats.inFlight,
      (calls) => calls === 1,
    );
    const { status, headers } = await ask(url, aQuestion());
    expect([status, headers.get(BROKER_REFUSAL_HEADER)]).toEqual([529, "budget-in-use"]);
    expect((await first).status).toBe(200);
  });
});

describe("an agent behind the broker", () => {
  const agentOf = async (url: string, more: object = {}, token?: string) => {
    const folder = new SecretVolume(join(world.folder, `token-${randomUUID()}`));
    await folder.publish({ token: token ?? (await signed()) });
    const env = { AGENTPG_BROKER_TOKEN_DIR: folder.path, AGENTPG_ANTHROPIC_DIR: "/nowhere" };
    const agent = await world.start({ brokerUrl: url, ...more }, {}, env);
    return { agent, folder };
  };
  const asked = async (agent: Awaited<ReturnType<typeof agentOf>>["agent"], question: string) =>
    all(agent.client.run((await agent.client.createSession()).id, question));

  it("answers, streamed, and renews its token without a restart", async () => {
    await world.fresh({ replyText: "It is so." });
    const { agent, folder } = await agentOf((await theBroker()).url);
    expect(textOf(await asked(agent, "Is it?"))).toBe("It is so.");
    await folder.publish({ token: await signed(claims({ jti: randomUUID() })) });
    expect(textOf(await asked(agent, "Is it?"))).toBe("It is so.");
    expect(Object.keys(world.claude.stats.keys)).toEqual(["0001"]);
    await world.stopAgents();
  });

  it("says in a run's error what the broker refused", async () => {
    await world.fresh();
    const { url } = await aBroker({ allowedModels: ["claude-haiku-5-5"] });
    const expired = await signed(claims({ iat: now() - 700, exp: now() - 60 }));
    for (const [token, type, message] of [
      [undefined, "model_not_allowed", "allowedModels"],
      [expired, "api_key_refused", "expired"],
    ] as const) {
      const { agent } = await agentOf(url, {}, token);
      const events = await asked(agent, "hello");
      expect(types(events).at(-1)).toBe("run.failed");
      expect(JSON.stringify(events.at(-1))).toContain(type);
      expect(JSON.stringify(events.at(-1))).toContain(message);
      await world.stopAgents();
    }
  });

  it("gets the results of its batches through the broker, not from where the endpoint says they are", async () => {
    await world.fresh({ batchMs: 0 });
    const { url } = await theBroker();
    const batch = { requests: [{ custom_id: "a", params: aQuestion() }] };
    const { id } = JSON.parse((await ask(url, batch, {}, "/v1/messages/batches")).text) as { id: string };
    const headers = { authorization: `Bearer ${await signed()}`, "anthropic-version": "2026-10-21" };
    const get = (path: string) => fetch(`${url}${path}`, { headers });
    const info = await eventually(
      async () => (await (await get(`/v1/messages/batches/${id}`)).json()) as { results_url: string | null },
      (it) => it.results_url !== null,
    );
    expect(info.results_url).toBe(`/v1/messages/batches/${id}/results`);
    const list = (await (await get("/v1/messages/batches?limit=100")).json()) as { data: { results_url: string }[] };
    expect(list.data[0]?.results_url).toBe(info.results_url);
    expect(await (await get(info.results_url as string)).text()).toContain('"custom_id":"a"');
  });
});

describe("TLS between an agent and its broker", () => {
  let shown: SecretVolume;
  let trusted: SecretVolume;
  let url: string;
  let certificates: Watched<string>;
  const made = () => newServerCertificate(["127.0.0.1"]);
  const show = ({ certificate, key }: ServerCertificate) => shown.publish({ "tls.crt": certificate, "tls.key": key });
  const trust = async (...all: ServerCertificate[]) =>
    trusted.publish({ token: await signed(), "ca.crt": all.map((it) => it.certificate).join("\n") });
  /** Over a connection of its own. */
  const probe = async (at = url, by: Watched<string> | undefined = certificates) =>
    (await modelFetch(by)(`${at}/livez`, { headers: new Headers() })).status;
  const serial = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ port: Number(new URL(url).port), host: "127.0.0.1", rejectUnauthorized: false });
      socket.once("error", reject).once("secureConnect", () => {
        resolve(socket.getPeerX509Certificate()?.serialNumber ?? "");
        socket.destroy();
      });
    });
  const only = (it: ServerCertificate) => new Watched(async () => it.certificate).start();
  let first: ServerCertificate;

  beforeAll(async () => {
    [shown, trusted] = [new SecretVolume(join(world.folder, "tls")), new SecretVolume(join(world.folder, "trusted"))];
    first = await made();
    await show(first);
    await trust(first);
    const env = readEnvironment(
      world.environment({ AGENTPG_ACCESS_DIR: access.path, AGENTPG_BROKER_TLS_DIR: shown.path }),
    );
    const broker = await startBroker({ config: configOf(), env }, createLogger("b", "fatal"));
    brokers.push(broker);
    url = `https://127.0.0.1:${broker.port}`;
    const config = world.config({ brokerUrl: url });
    const source = brokerCertificates(config, readEnvironment({ AGENTPG_BROKER_TOKEN_DIR: trusted.path }));
    certificates = await (source as Watched<string>).start();
  });
  afterAll(() => certificates?.stop());

  it("lets an agent answer that has the broker's certificate", async () => {
    await world.fresh({ replyText: "It is so." });
    const env = { AGENTPG_BROKER_TOKEN_DIR: trusted.path, AGENTPG_ANTHROPIC_DIR: "/nowhere" };
    const agent = await world.start({ brokerUrl: url }, {}, env);
    expect(textOf(await all(agent.client.run((await agent.client.createSession()).id, "Is it?")))).toBe("It is so.");
    await world.stopAgents();
  });

  it("is refused by whoever has another certificate, none, or the system's, and by one of another name", async () => {
    const stranger = await only(await made());
    await expect(probe(url, stranger)).rejects.toThrow(/self-signed certificate/);
    await expect(probe(url, new Watched(async () => ""))).rejects.toThrow("no certificate to know the key broker by");
    await expect(modelFetch()(`${url}/livez`, { headers: new Headers() })).rejects.toThrow(/self-signed certificate/);
    await expect(probe(url.replace("127.0.0.1", "localhost"), await only(first))).rejects.toThrow(/does not match/);
    await expect(fetch(`${url.replace("https:", "http:")}/livez`)).rejects.toThrow("fetch failed");
    stranger.stop();
  });

  it("changes its certificate while calls go on, and none fails", async () => {
    const failed: unknown[] = [];
    let calls = 0;
    const over = new AbortController();
    const calling = (async () => {
      while (!over.signal.aborted)
        await probe().then(
          () => calls++,
          (error: unknown) => failed.push(error),
        );
    })();
    const second = await made();
    await trust(first, second);
    await eventually(
      async () => certificates.value,
      (it) => it?.includes(second.certificate.trim()) ?? false,
    );
    const before = await serial();
    await show(second);
    await eventually(serial, (it) => it !== before);
    await trust(second);
    await eventually(
      async () => certificates.value,
      (it) => it === second.certificate.trim(),
    );
    const then = calls;
    await eventually(
      async () => calls,
      (it) => it > then + 5,
    );
    over.abort();
    await calling;
    expect(failed).toEqual([]);
  });

  it("goes on with the certificate that it has when the next is no pair", async () => {
    const before = await serial();
    await shown.publish({ "tls.crt": (await made()).certificate, "tls.key": (await made()).key });
    await new Promise((resolve) => setTimeout(resolve, 1500)); // longer than until the files are read again
    expect(await serial()).toBe(before);
  });
});

it("what the broker counts has no pod, agent or model in its labels, and neither key nor token is in its log", async () => {
  const broker = await theBroker();
  const metrics = await (await fetch(`http://127.0.0.1:${broker.metricsPort}/metrics`)).text();
  expect(metrics).toMatch(/agentpg_broker_calls_total\{kind="message",outcome="answered"\} [1-9]/);
  expect(metrics).toMatch(/agentpg_broker_tokens_total\{type="output"\} [1-9]/);
  expect(metrics).not.toMatch(/support|pod-uid|sonnet/);
  const said = log.join("");
  expect(said).toContain("refused a call of the model");
  expect(said).not.toMatch(/sk-ant-test|eyJ[A-Za-z0-9_-]{20}/);
});
