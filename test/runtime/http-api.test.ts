import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { AgentClient } from "../../src/runtime/client.ts";
import { type ApiRoutes, apiRouters } from "../../src/runtime/http/app.ts";
import { pathOf } from "../../src/runtime/http/openapi.ts";
import { routesOf } from "../../src/runtime/http/routes.ts";
import { eventually } from "../support/eventually.ts";
import { all, types, World } from "./fixture.ts";

let world: World;
let url: string;
let client: AgentClient;
let session: string;
let run: string;

beforeAll(async () => {
  world = await World.create();
  ({ url, client } = await world.start({ budget: { perDay: { usd: "5" } } }));
  session = (await client.createSession()).id;
  run = (await client.ask(session, "Hello")).runId;
});
afterAll(() => world?.close());

const JSON_TYPE = { "content-type": "application/json" };
interface Sent {
  headers?: Record<string, string>;
  body?: string | Uint8Array<ArrayBuffer> | URLSearchParams;
}
async function send(method: string, path: string, { headers = {}, body }: Sent = {}) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : JSON_TYPE), ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: (text ? JSON.parse(text) : {}) as never };
}
const as = (user: string, rest: Sent = {}): Sent => ({ ...rest, headers: { "x-user-id": user, ...rest.headers } });
const json = (value: unknown): Sent => ({ body: JSON.stringify(value) });

const NOBODY = "01890000-0000-7000-8000-000000000000";
const S = () => `/v1/sessions/${session}`;
const R = () => `/v1/runs/${run}`;
const asked = (more: Record<string, unknown>) => json({ message: "Hello", ...more });
/** `variables` with so many lists in each other. */
const nested = (n: number) => `{"message":"Hello","variables":{"a":${"[".repeat(n)}${"]".repeat(n)}}}`;
const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, "v"]));

/** What is sent, the status, and what the problem says: its field or a part of its detail. */
type Bad = [what: string, method: string, path: () => string, sent: Sent, status: number, says?: string];
const BAD: Bad[] = [
  ["no JSON", "POST", () => "/v1/sessions", { body: "secret-thing{" }, 400, "at character 0"],
  ["JSON that breaks off", "POST", () => "/v1/sessions", { body: '{"metadata":' }, 400, "at character 12"],
  ["JSON with a wrong token", "POST", () => "/v1/sessions", { body: '{"metadata": nope}' }, 400, "at character 14"],
  ["JSON with a comma too many", "POST", () => "/v1/sessions", { body: '{"metadata": {},}' }, 400, "at character 16"],
  ["two JSON texts", "POST", () => "/v1/sessions", { body: "{}{}" }, 400, "at character 2"],
  ["a list", "POST", () => "/v1/sessions", { body: "[]" }, 400, "#"],
  ["null", "POST", () => "/v1/sessions", { body: "null" }, 400, "#"],
  ["a string", "POST", () => "/v1/sessions", { body: '"a"' }, 400, "#"],
  ["a field that is not there", "POST", () => "/v1/sessions", json({ metdata: {} }), 422, "#/metdata"],
  ["metadata that is a list", "POST", () => "/v1/sessions", json({ metadata: ["a"] }), 400, "#/metadata"],
  ["metadata that is no text", "POST", () => "/v1/sessions", json({ metadata: { a: 1 } }), 400, "#/metadata/a"],
  [
    "a pointer that needs escapes",
    "POST",
    () => "/v1/sessions",
    json({ metadata: { "a/~": 1 } }),
    400,
    "#/metadata/a~1~0",
  ],
  ["too long a value", "POST", () => "/v1/sessions", json({ metadata: { a: "x".repeat(1025) } }), 400, "#/metadata/a"],
  ["too long a key", "POST", () => "/v1/sessions", json({ metadata: { ["q".repeat(65)]: "" } }), 400, "#/metadata"],
  ["an empty key", "POST", () => "/v1/sessions", json({ metadata: { "": "x" } }), 400, "#/metadata"],
  ["too much metadata", "POST", () => "/v1/sessions", json({ metadata: many(33) }), 400, "at most 32 entries"],
  [
    "a body of another kind",
    "POST",
    () => "/v1/sessions",
    { body: "{}", headers: { "content-type": "text/plain" } },
    415,
    "Content-Type",
  ],
  [
    "a form",
    "POST",
    () => "/v1/sessions",
    { body: new URLSearchParams({ a: "b" }), headers: { "content-type": "application/x-www-form-urlencoded" } },
    415,
    "Content-Type",
  ],
  [
    "a JSON lookalike",
    "POST",
    () => "/v1/sessions",
    { body: "{}", headers: { "content-type": "application/jsonx" } },
    415,
  ],
  [
    "a strange charset",
    "POST",
    () => "/v1/sessions",
    { body: "{}", headers: { "content-type": "application/json; charset=klingon" } },
    415,
    "UTF-8",
  ],
  ["a strange compression", "POST", () => "/v1/sessions", { body: "{}", headers: { "content-encoding": "zip" } }, 415],
  ["what is not gzip", "POST", () => "/v1/sessions", { body: "{}", headers: { "content-encoding": "gzip" } }, 400],
  [
    "a body that is too large",
    "POST",
    () => "/v1/sessions",
    json({ metadata: { a: "x".repeat(1_100_000) } }),
    413,
    "1048576 bytes",
  ],
  [
    "a zip bomb",
    "POST",
    () => "/v1/sessions",
    { body: gzipSync(Buffer.alloc(50_000_000, "x")), headers: { "content-encoding": "gzip" } },
    413,
    "1048576 bytes",
  ],
  ["an Accept that nothing fits", "GET", () => "/v1/sessions", { headers: { accept: "image/png" } }, 406, "Accept"],
  ["events as JSON", "GET", () => `${R()}/events`, { headers: { accept: "application/json" } }, 406, "Accept"],
  ["a limit of 0", "GET", () => "/v1/sessions?limit=0", {}, 400, "?limit"],
  ["a limit of 101", "GET", () => "/v1/sessions?limit=101", {}, 400, "?limit"],
  ["a limit below 0", "GET", () => "/v1/sessions?limit=-1", {}, 400, "?limit"],
  ["a limit that is no number", "GET", () => "/v1/sessions?limit=ten", {}, 400, "?limit"],
  ["a limit of 1.5", "GET", () => "/v1/sessions?limit=1.5", {}, 400, "?limit"],
  ["a limit of 1e1", "GET", () => "/v1/sessions?limit=1e1", {}, 400, "?limit"],
  ["an empty limit", "GET", () => "/v1/sessions?limit=", {}, 400, "?limit"],
  ["two limits", "GET", () => "/v1/sessions?limit=1&limit=2", {}, 400, "?limit"],
  ["a cursor that is none", "GET", () => "/v1/sessions?before=yesterday", {}, 400, "?before"],
  ["SQL for a cursor", "GET", () => "/v1/sessions?before=%27%20OR%201=1--", {}, 400, "?before"],
  ["a parameter that is not there", "GET", () => "/v1/sessions?page=2", {}, 400, "?page"],
  ["a filter that is none", "GET", () => "/v1/sessions?metadata=team", {}, 400, "?metadata"],
  ["a session that is no UUID", "GET", () => "/v1/sessions/42", {}, 404],
  ["a session that is not there", "GET", () => `/v1/sessions/${NOBODY}`, {}, 404],
  ["a broken escape", "GET", () => "/v1/sessions/%zz", {}, 400],
  ["another user's session", "GET", S, as("mallory"), 403],
  ["another user's messages", "GET", () => `${S()}/messages`, as("mallory"), 403],
  ["another user's runs", "GET", () => `${S()}/runs`, as("mallory"), 403],
  ["a change to another user's session", "PATCH", S, as("mallory", json({ metadata: {} })), 403],
  ["the end of another user's session", "DELETE", S, as("mallory"), 403],
  ["the end of no session", "DELETE", () => `/v1/sessions/${NOBODY}`, {}, 404],
  ["another tenant", "GET", S, { headers: { "x-tenant-id": "globex" } }, 403],
  ["a change without metadata", "PATCH", S, json({}), 400, "#/metadata"],
  ["a change of the agent", "PATCH", S, json({ metadata: {}, agent: "x" }), 422, "#/agent"],
  ["a change to a number", "PATCH", S, json({ metadata: { a: 1 } }), 400, "#/metadata/a"],
  ["messages after nothing", "GET", () => `${S()}/messages?after=x`, {}, 400, "?after"],
  ["messages after far too much", "GET", () => `${S()}/messages?after=99999999999`, {}, 400, "?after"],
  ["too many messages", "GET", () => `${S()}/messages?limit=501`, {}, 400, "?limit"],
  ["no message", "POST", () => `${S()}/runs`, json({}), 400, "#/message"],
  ["no body", "POST", () => `${S()}/runs`, {}, 400, "#/message"],
  ["an empty message", "POST", () => `${S()}/runs`, asked({ message: "" }), 400, "#/message"],
  ["a message that is a list", "POST", () => `${S()}/runs`, asked({ message: ["a"] }), 400, "#/message"],
  ["too long a message", "POST", () => `${S()}/runs`, asked({ message: "x".repeat(200_001) }), 400, "#/message"],
  ["variables that are text", "POST", () => `${S()}/runs`, asked({ variables: "a" }), 400, "#/variables"],
  [
    "a variable's name that is too long",
    "POST",
    () => `${S()}/runs`,
    asked({ variables: { ["v".repeat(65)]: 1 } }),
    400,
    "#/variables",
  ],
  ["variables that are too deep", "POST", () => `${S()}/runs`, { body: nested(100) }, 400, '"field":"#/variables"'],
  ["variables that are far too deep", "POST", () => `${S()}/runs`, { body: nested(400_000) }, 400, "at most 100 deep"],
  [
    "a variable called __proto__",
    "POST",
    () => `${S()}/runs`,
    { body: '{"message":"a","variables":{"__proto__":1}}' },
    400,
    "#/variables/__proto__",
  ],
  [
    "metadata called __proto__",
    "POST",
    () => "/v1/sessions",
    { body: '{"metadata":{"__proto__":"x"}}' },
    400,
    "#/metadata/__proto__",
  ],
  ["a change of __proto__", "PATCH", S, { body: '{"metadata":{"__proto__":null}}' }, 400, "#/metadata/__proto__"],
  ["a model of one's own", "POST", () => `${S()}/runs`, asked({ model: "mine" }), 422, "#/model"],
  [
    "__proto__",
    "POST",
    () => `${S()}/runs`,
    { body: '{"message":"a","__proto__":{"admin":true}}' },
    422,
    "#/__proto__",
  ],
  [
    "a key with a space",
    "POST",
    () => `${S()}/runs`,
    { ...asked({}), headers: { "idempotency-key": "a b" } },
    400,
    "Idempotency-Key",
  ],
  [
    "too long a key",
    "POST",
    () => `${S()}/runs`,
    { ...asked({}), headers: { "idempotency-key": "k".repeat(256) } },
    400,
    "Idempotency-Key",
  ],
  ["a run in no session", "POST", () => `/v1/sessions/${NOBODY}/runs`, asked({}), 404],
  ["a run in another user's session", "POST", () => `${S()}/runs`, as("mallory", asked({})), 403],
  ["runs in a state that is not there", "GET", () => `${S()}/runs?state=lost`, {}, 400, "?state"],
  ["runs before nothing", "GET", () => `${S()}/runs?before=1`, {}, 400, "?before"],
  ["a run that is no UUID", "GET", () => "/v1/runs/42", {}, 404],
  ["a run that is not there", "GET", () => `/v1/runs/${NOBODY}`, {}, 404],
  ["another user's run", "GET", R, as("mallory"), 403],
  ["another user's tree", "GET", () => `${R()}/tree`, as("mallory"), 403],
  ["another user's events", "GET", () => `${R()}/events`, as("mallory"), 403],
  ["cancelling another user's run", "POST", () => `${R()}/cancel`, as("mallory"), 403],
  [
    "an event that cannot be",
    "GET",
    () => `${R()}/events`,
    { headers: { "last-event-id": "x1" } },
    400,
    "Last-Event-ID",
  ],
  ["an approval of nothing", "POST", () => `${R()}/approvals/toolu_1`, json({ approve: true }), 404],
  ["an approval that says nothing", "POST", () => `${R()}/approvals/toolu_1`, json({}), 400, "#/approve"],
  ["an approval with more", "POST", () => `${R()}/approvals/toolu_1`, json({ approve: true, by: "x" }), 422, "#/by"],
  ["an approval of NUL", "POST", () => `${R()}/approvals/%00`, json({ approve: true }), 404],
  ["a denial of a name with NUL", "POST", () => `${R()}/approvals/a%00b`, json({ approve: false }), 404],
  ["usage from the year 0", "GET", () => "/v1/usage?from=0000-01-01&to=0000-12-31", {}, 400, "?from"],
  ["usage to the year 0", "GET", () => "/v1/usage?from=0000-01-01&to=0000-01-01", {}, 400, "0001-01-01"],
  ["usage by the hour", "GET", () => "/v1/usage?by=hour", {}, 400, "?by"],
  ["usage from no day", "GET", () => "/v1/usage?from=2026-02-30", {}, 400, "?from"],
  ["usage backwards", "GET", () => "/v1/usage?from=2026-02-02&to=2026-02-01", {}, 400, "?from"],
  ["usage of many years", "GET", () => "/v1/usage?from=2020-01-01&to=2026-01-01", {}, 400, "366 days"],
  ["DELETE of all sessions", "DELETE", () => "/v1/sessions", {}, 405],
  ["PUT of a run", "PUT", R, json({}), 405],
  ["GET of cancel", "GET", () => `${R()}/cancel`, {}, 405],
  ["PATCH of usage", "PATCH", () => "/v1/usage", json({}), 405],
  ["OPTIONS of sessions", "OPTIONS", () => "/v1/sessions", {}, 405, "GET, HEAD, POST"],
  ["OPTIONS of a run", "OPTIONS", R, {}, 405, "GET, HEAD"],
  ["OPTIONS of nothing", "OPTIONS", () => "/v1/nothing", {}, 404],
  ["PUT of the document", "PUT", () => "/openapi.json", json({}), 405, "GET, HEAD"],
  ["OPTIONS of the document", "OPTIONS", () => "/openapi.json", {}, 405, "GET, HEAD"],
  ["a path that is not there", "GET", () => "/v1/nothing", {}, 404],
  ["a path beside the API", "GET", () => "/admin", {}, 404],
  ["headers that are too long", "GET", () => "/v1/sessions", { headers: { "x-a": "a".repeat(17_000) } }, 431, "16384"],
  ["a URL that is too long", "GET", () => `/v1/sessions?limit=${"1".repeat(17_000)}`, {}, 431, "16384"],
];

describe("bad input", () => {
  it.each(BAD)("%s is told as a problem (%s)", async (_what, method, path, sent, status, says) => {
    const answer = await send(method, path(), sent);
    expect(answer).toMatchObject({ status, body: { status, type: expect.stringMatching(/^urn:agentpg:problem:/) } });
    expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
    expect(answer.text).toContain(says ?? "");
    expect(answer.text).not.toMatch(/secret-thing|node_modules|at Object|SELECT|xxxxx/);
    expect(status !== 405 || answer.headers.get("allow")).toBeTruthy();
  });

  it.each([
    ["that is not HTTP", "GET /v1/sessions HTTP/9.9\r\nnonsense\r\n\r\n", 400, "malformed-request"],
    ["without a host", "GET /v1/sessions HTTP/1.1\r\n\r\n", 400, '"field":"Host"'],
    [
      "that expects too much",
      "GET /v1/sessions HTTP/1.1\r\nHost: a\r\nExpect: bananas\r\n\r\n",
      417,
      '"field":"Expect"',
    ],
  ])("%s gets an answer too", async (_what, request, status, says) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    let heard = "";
    socket.on("data", (data) => (heard += data));
    socket.write(request);
    await new Promise((resolve) => socket.once("close", resolve));
    expect(heard).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*application/problem\\+json.*${says}`, "s"));
  });

  it("is not what HTTP/1.0 is: it needs no host", async () => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    let heard = "";
    socket.on("data", (data) => (heard += data));
    socket.write("GET /v1/sessions HTTP/1.0\r\n\r\n");
    await new Promise((resolve) => socket.once("close", resolve));
    expect(heard).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe("sessions", () => {
  it("are found by their metadata, page by page", async () => {
    const user = as("lister");
    for (const n of [1, 2, 3])
      await send("POST", "/v1/sessions", { ...user, ...json({ metadata: { team: n === 2 ? "b" : "a", n: `${n}` } }) });
    type Page = { items: { metadata: { n: string } }[]; next: string | null };
    const list = async (query: string) => (await send("GET", `/v1/sessions?${query}`, user)).body as Page;
    const numbers = (page: Page) => page.items.map((it) => it.metadata.n);
    expect(numbers(await list("metadata=team:a"))).toEqual(["3", "1"]);
    expect(numbers(await list("metadata=team:a&metadata=n:1"))).toEqual(["1"]);
    const first = await list("limit=2");
    expect(numbers(first)).toEqual(["3", "2"]);
    expect(numbers(await list(`limit=2&before=${first.next}`))).toEqual(["1"]);
  });

  it("take new metadata, and lose what is null", async () => {
    const { id } = await client.createSession({ a: "1", b: "2" });
    const changed = await send("PATCH", `/v1/sessions/${id}`, json({ metadata: { b: null, c: "3" } }));
    expect(changed).toMatchObject({ status: 200, body: { id, metadata: { a: "1", c: "3" } } });
    expect((await client.session(id)).metadata).toEqual({ a: "1", c: "3" });
    expect((await send("PATCH", `/v1/sessions/${id}`, json({ metadata: many(31) }))).status).toBe(400);
  });

  it("take and lose an entry whose name Postgres does not keep as it is", async () => {
    const { id } = await client.createSession({ "a\u0000b": "1" });
    expect((await client.session(id)).metadata).toEqual({ "a\uFFFDb": "1" });
    expect((await client.changeSession(id, { "a\u0000b": null })).metadata).toEqual({});
  });

  it("are erased with all that was said, and leave an audit line", async () => {
    const { id } = await client.createSession();
    const { runId } = await client.ask(id, "Hello");
    expect(await send("DELETE", `/v1/sessions/${id}`)).toMatchObject({ status: 204, text: "" });
    expect((await send("GET", `/v1/sessions/${id}`)).status).toBe(404);
    expect((await send("GET", `/v1/runs/${runId}`)).status).toBe(404);
    expect(await world.sql("SELECT 1 FROM messages WHERE session_id = $1", [id])).toEqual([]);
    const lines = await world.sql<{ record: string }>("SELECT record FROM audit WHERE record LIKE $1 ORDER BY seq", [
      `%${id}%`,
    ]);
    expect(JSON.parse(lines.at(-1)?.record ?? "")).toMatchObject({ action: "session.erased", session: id });
  });

  it("are not erased under a run: it is cancelled first", async () => {
    world.claude.config = { ...world.claude.config, chunkDelayMs: 200, chunks: 50 };
    const { id } = await client.createSession();
    await client.startRun(id, "Tell me a long story");
    const early = await send("DELETE", `/v1/sessions/${id}`);
    expect(early).toMatchObject({ status: 409, body: { type: "urn:agentpg:problem:session-busy" } });
    expect(early.headers.get("retry-after")).toBe("1");
    await eventually(
      async () => (await send("DELETE", `/v1/sessions/${id}`)).status,
      (status) => status === 204,
    );
    await world.fresh();
  });
});

describe("runs", () => {
  it("are listed by session and state, the newest first", async () => {
    const { id } = await client.createSession();
    const first = (await client.ask(id, "One")).runId;
    const second = (await client.ask(id, "Two")).runId;
    type Page = { items: { id: string }[]; next: string | null };
    const list = async (query = "") => (await send("GET", `/v1/sessions/${id}/runs${query}`)).body as Page;
    expect((await list()).items.map((it) => it.id)).toEqual([second, first]);
    const page = await list("?limit=1");
    expect((await list(`?limit=1&before=${page.next}`)).items.map((it) => it.id)).toEqual([first]);
    expect((await list("?state=failed")).items).toEqual([]);
    expect((await list("?state=completed")).items).toHaveLength(2);
  });

  it("are streamed to whoever accepts events, in capitals too, and take variables of some depth", async () => {
    const { id } = await client.createSession();
    const events = { body: nested(99), headers: { accept: "Text/Event-Stream" } };
    const response = await fetch(`${url}/v1/sessions/${id}/runs`, {
      method: "POST",
      ...events,
      headers: { ...JSON_TYPE, ...events.headers },
    });
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    expect(await response.text()).toContain("event: run.completed");
  });

  it("that are sent twice under one key are one, told as it is by then", async () => {
    const { id } = await client.createSession();
    const key = { headers: { "idempotency-key": "k1" } };
    const question = { ...asked({ variables: { a: [1, { b: 2 }] } }), ...key };
    const first = await send("POST", `/v1/sessions/${id}/runs`, question);
    const runId = (first.body as { id: string }).id;
    await eventually(
      async () => (await client.getRun(runId)).state,
      (state) => state === "completed",
    );
    expect((await send("POST", `/v1/sessions/${id}/runs`, question)).body).toEqual({
      id: runId,
      sessionId: id,
      state: "completed",
    });
    const events = client.run(id, "Hello", { variables: { a: [1, { b: 2 }] }, idempotencyKey: "k1" });
    expect(types(await all(events))).toEqual(["run.started", "text.delta", "run.completed"]);
    for (const other of [asked({ message: "Other" }), asked({ variables: { a: 2 } }), asked({})])
      expect(await send("POST", `/v1/sessions/${id}/runs`, { ...other, ...key })).toMatchObject({
        status: 422,
        body: { type: "urn:agentpg:problem:idempotency-key-reused" },
      });
  });
});

describe("usage and limits", () => {
  it("tell a user what was spent, by day, model and agent", async () => {
    const today = new Date().toISOString().slice(0, 10);
    for (const [by, key] of [
      ["day", today],
      ["model", "claude-sonnet-5-5"],
      ["agent", "support"],
      ["user", "anonymous"],
    ]) {
      const { body } = await send("GET", `/v1/usage?by=${by}`);
      expect(body).toMatchObject({ by, scope: "user", items: [{ key, runs: expect.any(Number) }] });
    }
    expect((await send("GET", "/v1/usage", as("newcomer"))).body).toMatchObject({ items: [] });
    const tenant = (await send("GET", "/v1/usage?scope=tenant", as("newcomer"))).body as { items: { usd: string }[] };
    expect(Number(tenant.items[0]?.usd)).toBeGreaterThan(0);
  });

  it("tell how far the budgets are spent", async () => {
    expect((await send("GET", "/v1/limits")).body).toMatchObject({
      budgets: [{ name: "the tenant's budget.perDay", exhausted: false, usd: { limit: 5, spent: expect.any(Number) } }],
      concurrentRuns: 500,
      queued: 0,
    });
  });
});

describe("the OpenAPI document", () => {
  type Document = {
    paths: Record<string, Record<string, { operationId: string }>>;
    components: Record<string, Record<string, unknown>>;
  };
  const read = async () => (await send("GET", "/openapi.json")).body as Document;

  it("has each route of the API, and no other", async () => {
    const unused = {} as never;
    const config = world.config();
    const routes = {
      ...({ db: unused, agent: "support", engine: unused, load: unused, tools: unused } as unknown as ApiRoutes),
      compaction: { config } as never,
    };
    const there = routesOf(apiRouters(routes)).flatMap(({ path, methods }) =>
      methods.map((it) => `${it} ${pathOf(path)}`),
    );
    const { paths } = await read();
    const told = Object.entries(paths).flatMap(([path, it]) =>
      Object.keys(it).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(told.sort()).toEqual(there.sort());
  });

  it("refers to nothing that it does not have, and names each operation once", async () => {
    const document = await read();
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)];
    for (const [ref, kind, name] of refs)
      expect([ref, document.components[kind ?? ""]?.[name ?? ""]]).not.toContain(undefined);
    const ids = Object.values(document.paths).flatMap((it) =>
      Object.values(it).map((operation) => operation.operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("tells what comes: what the API gives fits its schemas", async () => {
    const { components } = await read();
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: "doc", components });
    const fits = (name: string, value: unknown) => {
      const check = ajv.compile({ $ref: `doc#/components/schemas/${name}` });
      expect([name, check(value), check.errors]).toEqual([name, true, null]);
    };
    const get = async (path: string) => (await send("GET", path)).body;
    fits("Session", await get(S()));
    fits("SessionPage", await get("/v1/sessions"));
    fits("MessagePage", await get(`${S()}/messages`));
    fits("RunPage", await get(`${S()}/runs`));
    fits("Run", await get(R()));
    fits("RunTree", await get(`${R()}/tree`));
    fits("ApprovalPage", await get("/v1/approvals"));
    fits("Usage", await get("/v1/usage"));
    fits("Limits", await get("/v1/limits"));
    fits("Context", await get(`${S()}/context`));
    fits("Problem", await get("/v1/nothing"));
    for (const event of await all(client.events(run))) fits("RunEvent", event);
  });
});
