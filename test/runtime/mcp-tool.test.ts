import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { type McpServer } from "@modelcontextprotocol/server";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { ConfigError } from "../../src/runtime/config.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { SecretVolume, World } from "./fixture.ts";
import { bodyOf, MCP_HOST, TestMcpServer } from "./mcp-server.ts";

let world: World;
let remote: TestMcpServer;
beforeAll(async () => {
  [world, remote] = await Promise.all([World.create(), TestMcpServer.start()]);
});
afterAll(async () => {
  await world?.close();
  await remote?.stop();
});
beforeEach(async () => {
  remote.tools = theWiki;
  remote.requests.length = 0;
  remote.givenUp = 0;
  await world.fresh();
});
afterEach(async () => {
  remote.instead = remote.bearer = undefined;
  await world.stopAgents();
});

const text = (it: string) => ({ content: [{ type: "text" as const, text: it }] });
let attempts = 0;

function theWiki(server: McpServer): void {
  const query = z.object({
    query: z
      .string()
      .max(20)
      .regex(/^[^!]+$/),
  });
  server.registerTool("search", { description: "Finds pages.", inputSchema: query }, ({ query }, { mcpReq }) =>
    text(`found ${query} with ${JSON.stringify(mcpReq._meta)}`),
  );
  const output = z.object({ pages: z.number() });
  server.registerTool("count", { outputSchema: output, inputSchema: z.object({}) }, () => ({
    ...text("in words: 7"),
    structuredContent: { pages: 7 },
  }));
  server.registerTool("broken", { inputSchema: z.object({}) }, () => ({
    ...text("the wiki is on fire"),
    isError: true,
  }));
  server.registerTool("picture", { inputSchema: z.object({}) }, () => ({
    content: [{ type: "image", mimeType: "image/png", data: Buffer.alloc(1000).toString("base64") }],
  }));
  server.registerTool("slow", { inputSchema: z.object({}) }, async (_, { mcpReq }) => {
    await new Promise((resolve) => mcpReq.signal.addEventListener("abort", resolve));
    return text("late");
  });
  server.registerTool("long", { inputSchema: z.object({}) }, () => text("x".repeat(200_000)));
  server.registerTool("flood", { inputSchema: z.object({}) }, () => text("x".repeat(5_000_000)));
  server.registerTool("counted", { inputSchema: z.object({}) }, () => text(`attempt ${++attempts}`));
}

const wiki = (allowedTools: string[], more: object = {}, url = `https://${MCP_HOST}/mcp`) => ({
  name: "wiki",
  description: "Our wiki.",
  mcp: { url, allowedTools },
  ...more,
});
const start = (tool: ReturnType<typeof wiki>, parts: object = {}) =>
  world.start({ tools: [tool] }, { network: remote.network, ...parts });
const statusOf = (runtime: Runtime) =>
  (runtime.status() as { mcp: { connected: boolean; tools: number; leftOut: number; problem: string | null }[] })
    .mcp[0];

type Message = { content: { content: string; is_error?: boolean }[] };
const lastRequest = () =>
  world.claude.requests.filter((it) => it.path === "/v1/messages").at(-1)?.body as {
    tools: { name: string; description: string; input_schema: object }[];
    messages: Message[];
  };
/** What the model reads of one call. */
async function call(runtime: Awaited<ReturnType<typeof start>>, name: string, input: object = {}) {
  await world.fresh({ rules: [{ match: "call it", tool: name, input: input as never, answer: "{{result}}" }] });
  const session = await runtime.client.createSession();
  const run = await runtime.client.ask(session.id, "call it");
  expect(run.state).toBe("completed");
  return lastRequest().messages.at(-1)?.content[0];
}

describe("the tools of an MCP server", () => {
  it("are offered under the entry's name, described by both, in the order of the entry", async () => {
    const runtime = await start(wiki(["search", "count"]));
    await runtime.client.ask((await runtime.client.createSession()).id, "Hello");
    expect(lastRequest().tools).toMatchObject([
      { name: "wiki_search", description: "Our wiki.\n\nFinds pages.", input_schema: { type: "object" } },
      { name: "wiki_count", description: "Our wiki." },
    ]);
    expect(statusOf(runtime)).toEqual({
      name: "wiki",
      host: MCP_HOST,
      connected: true,
      tools: 2,
      leftOut: 0,
      problem: null,
    });
  });

  it("are called with the model's input and the call's idempotency key", async () => {
    const result = await call(await start(wiki(["search"])), "wiki_search", { query: "cats" });
    expect(result?.content).toMatch(/^found cats with \{.*"agentpg.dev\/idempotency-key":"[^"]{8,}"/);
  });

  it.each([
    ["one that is too long", "x".repeat(30)],
    ["one that does not fit the pattern", "cats!"],
  ])("never see an input that their schema refuses: %s", async (_what, query) => {
    const result = await call(await start(wiki(["search"])), "wiki_search", { query });
    expect(result).toMatchObject({ is_error: true, content: expect.stringContaining("query must") });
    expect(remote.requests.filter((it) => it.body.includes("tools/call"))).toEqual([]);
  });

  it.each([
    ["count", '{"pages":7}', false],
    ["broken", "the wiki is on fire", true],
    ["picture", "[image: image/png, 1000 bytes, not shown]", false],
  ])("answer as the server answers: %s", async (name, content, isError) => {
    const result = await call(await start(wiki([name])), `wiki_${name}`);
    expect(result).toMatchObject({ content, ...(isError ? { is_error: true } : {}) });
  });

  it("have their output cut, and are given up when they send without end", async () => {
    const runtime = await start(wiki(["long", "flood", "count"]));
    expect((await call(runtime, "wiki_long"))?.content).toMatch(/\[cut: 65536 of 200000 bytes\]$/);
    expect(await call(runtime, "wiki_flood")).toMatchObject({
      is_error: true,
      content: expect.stringMatching(/larger/),
    });
    expect((await call(runtime, "wiki_count"))?.content).toBe('{"pages":7}');
  });

  it("are ended at their time limit, and the server is told", async () => {
    const runtime = await start(wiki(["slow"], { timeoutSeconds: 1 }));
    expect((await call(runtime, "wiki_slow"))?.content).toBe("the tool did not finish within 1 s");
    await vi.waitFor(() =>
      expect(remote.requests.some((it) => it.body.includes("notifications/cancelled"))).toBe(true),
    );
    await vi.waitFor(() => expect(remote.givenUp).toBe(1));
  });

  it("are as many as are allowed: what is missing is named, with what is like it", async () => {
    const runtime = await start(wiki(["serch", "count"]));
    expect(statusOf(runtime)).toMatchObject({
      tools: 1,
      problem: expect.stringMatching(/^the server has no tool serch \(it has "search"/),
    });
  });

  it("follow the server's list when it says that it has changed", async () => {
    const runtime = await start(wiki(["search", "news"]));
    expect(statusOf(runtime)?.tools).toBe(1);
    for (const server of remote.servers) server.registerTool("news", { inputSchema: z.object({}) }, () => text("new"));
    await vi.waitFor(() => expect(statusOf(runtime)).toMatchObject({ tools: 2, problem: null }), { timeout: 5000 });
    expect((await call(runtime, "wiki_news"))?.content).toBe("new");
  });
});

describe("a session that the server has lost", () => {
  it("is opened anew, and a call is repeated only when the tool is idempotent", async () => {
    attempts = 0;
    const careful = await start(wiki(["counted"]));
    remote.forgetSessions();
    expect(await call(careful, "wiki_counted")).toMatchObject({
      is_error: true,
      content: expect.stringMatching(/lost the session/),
    });
    await vi.waitFor(() => expect(statusOf(careful)?.connected).toBe(true), { timeout: 5000 });
    expect((await call(careful, "wiki_counted"))?.content).toBe("attempt 1");
    await world.stopAgents();

    const repeating = await start(wiki(["counted"], { idempotent: true }));
    remote.forgetSessions();
    expect((await call(repeating, "wiki_counted"))?.content).toBe("attempt 2");
  });
});

describe("an MCP server that is down when the agent starts", () => {
  it("holds nothing up, and its tools come when it is there", async () => {
    await remote.goDown();
    const runtime = await start(wiki(["search"])).finally(() => remote.comeUp());
    expect((await fetch(`${runtime.url}/readyz`)).status).toBe(200);
    expect(statusOf(runtime)).toMatchObject({
      connected: false,
      tools: 0,
      problem: expect.stringMatching(/ECONNREFUSED/),
    });
    await vi.waitFor(() => expect(statusOf(runtime)).toMatchObject({ connected: true, tools: 1 }), { timeout: 8000 });
    expect((await call(runtime, "wiki_search", { query: "dogs" }))?.content).toContain("found dogs");
  });
});

describe("an MCP server that was away and is back as it was", () => {
  it("is told of while it is away, and no longer", async () => {
    const runtime = await start(wiki(["search"]));
    await remote.goDown();
    try {
      expect((await call(runtime, "wiki_search", { query: "a" }))?.content).toMatch(/cannot be reached/);
      const away = { connected: false, tools: 1, problem: expect.stringMatching(/ECONNREFUSED/) };
      await vi.waitFor(() => expect(statusOf(runtime)).toMatchObject(away), { timeout: 5000 });
    } finally {
      await remote.comeUp();
    }
    const back = { connected: true, tools: 1, problem: null };
    await vi.waitFor(() => expect(statusOf(runtime)).toMatchObject(back), { timeout: 8000 });
    expect((await call(runtime, "wiki_search", { query: "b" }))?.content).toContain("found b");
  });
});

describe("an MCP server that wants a token", () => {
  const tokenSecretRef = { name: "wiki-token", key: "token" };
  const entry = wiki(["search"]);
  const withToken = { ...entry, mcp: { ...entry.mcp, tokenSecretRef } };
  let volume: SecretVolume;
  beforeEach(async () => {
    volume = new SecretVolume(await mkdtemp(join(world.folder, "tokens-")));
    remote.bearer = "s3cret-token-of-the-wiki";
  });
  const startWithToken = () =>
    world.start({ tools: [withToken] }, { network: remote.network }, { AGENTPG_MCP_TOKENS_DIR: volume.path });

  it("gets the mounted one with every request, and a changed one within seconds", async () => {
    await volume.publish({ wiki: "s3cret-token-of-the-wiki\n" });
    const runtime = await startWithToken();
    expect(statusOf(runtime)).toMatchObject({ connected: true, tools: 1, problem: null });
    remote.bearer = "another-token";
    expect((await call(runtime, "wiki_search", { query: "a" }))?.content).toMatch(/^the MCP server refused the token/);
    const refused = { connected: false, tools: 1, problem: expect.stringMatching(/refused the token/) };
    await vi.waitFor(() => expect(statusOf(runtime)).toMatchObject(refused), { timeout: 5000 });
    await volume.publish({ wiki: "another-token" });
    await vi.waitFor(() => expect(statusOf(runtime)).toMatchObject({ connected: true, problem: null }), {
      timeout: 8000,
    });
    expect((await call(runtime, "wiki_search", { query: "b" }))?.content).toContain("found b");
  });

  it.each([
    ["that there is not", {}, /there is no token .*Secret wiki-token, key token \(mcp\.tokenSecretRef\), is missing/],
    ["that is two lines", { wiki: "a\r\nx-user: root" }, /no bearer token/],
    ["that it refuses", { wiki: "stale" }, /refused the token \(HTTP 401\): check Secret wiki-token, key token/],
  ])("is not used with one %s, which the status says", async (_what, files, problem) => {
    await volume.publish(files);
    const runtime = await startWithToken();
    expect(statusOf(runtime)).toMatchObject({ connected: false, tools: 0, problem: expect.stringMatching(problem) });
    expect(JSON.stringify(runtime.status())).not.toContain("stale");
  });

  it("and says it back is not listened to in that", async () => {
    remote.tools = (server) =>
      void server.registerTool("search", { inputSchema: z.object({}) }, () => text(`you are ${remote.bearer}`));
    await volume.publish({ wiki: "s3cret-token-of-the-wiki" });
    expect((await call(await startWithToken(), "wiki_search"))?.content).toBe("you are [the token]");
  });
});

describe("an MCP server that is not to be trusted", () => {
  const json = (result: (request: { method: string; id: number }) => object | undefined) => {
    remote.instead = async (request, response) => {
      const body = await bodyOf(request);
      if (request.method !== "POST") return void response.writeHead(405).end();
      const asked = JSON.parse(body);
      if (asked.id === undefined) return void response.writeHead(202).end();
      const answer = asked.method === "initialize" ? initialized(asked) : result(asked);
      const error = { code: -32601, message: "no such method" };
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id: asked.id, ...(answer ? { result: answer } : { error }) }));
    };
  };
  const initialized = (asked: { params?: { protocolVersion?: string } }) => ({
    protocolVersion: asked.params?.protocolVersion ?? "2025-06-18",
    capabilities: { tools: {} },
    serverInfo: { name: "bad", version: "1" },
  });
  const listing = (tools: object[]) => json(({ method }) => (method === "tools/list" ? { tools } : undefined));
  const object = { type: "object" };

  it("has tools with unusable definitions left out, and keeps the others", async () => {
    listing([
      { name: "number", inputSchema: { type: "number" } },
      { name: "wrong", inputSchema: { ...object, properties: { a: { type: "nonsense" } } } },
      { name: "far", inputSchema: { ...object, properties: { a: { $ref: "https://evil.example.com/schema" } } } },
      { name: "huge", inputSchema: { ...object, title: "x".repeat(40_000) } },
      { name: "fat", icons: ["x".repeat(200_000)], inputSchema: object },
      { name: "hidden", description: `a\u202E\u200B\u0007b${"c".repeat(9000)}`, inputSchema: object },
    ]);
    const runtime = await start(wiki(["number", "wrong", "far", "huge", "fat", "hidden"]));
    const { tools, problem } = statusOf(runtime) ?? {};
    expect(tools).toBe(1);
    for (const name of ["number", "wrong", "far", "huge", "fat"])
      expect(problem).toContain(`the tool ${name} is left out`);
    await runtime.client.ask((await runtime.client.createSession()).id, "Hello");
    const [hidden] = lastRequest().tools;
    expect(hidden?.description).toMatch(/^Our wiki\.\n\nabc+$/);
    expect(hidden?.description.length).toBeLessThan(4200);
  });

  it("cannot make the model API refuse the agent's tools", async () => {
    const choice = { anyOf: [{ properties: { id: { type: "number" } }, required: ["id"] }, { required: ["name"] }] };
    listing([
      { name: "choice", inputSchema: { ...object, properties: { name: { type: "string" } }, ...choice } },
      {
        name: "odd",
        inputSchema: { ...object, properties: { "$filter by": {}, né: {}, ["x".repeat(65)]: {}, ok: {} } },
      },
      { name: "needs", inputSchema: { ...object, properties: { "@type": {} }, required: ["@type"] } },
      {
        name: "halves",
        description: `${"x".repeat(4095)}😀`,
        inputSchema: { ...object, title: "\ud800", description: "a\u{E0041}b" },
      },
    ]);
    const runtime = await start(wiki(["choice", "odd", "needs", "halves"]));
    expect(statusOf(runtime)).toMatchObject({
      tools: 3,
      leftOut: 1,
      problem: expect.stringContaining('needs the property "@type"'),
    });
    expect((await runtime.client.ask((await runtime.client.createSession()).id, "Hello")).state).toBe("completed");
    const [first, odd, halves] = lastRequest().tools;
    expect(first?.input_schema).toEqual({
      ...object,
      properties: { name: { type: "string" }, id: { type: "number" } },
    });
    expect(first?.description).toContain('Its input has to fit: {"anyOf"');
    expect(odd?.input_schema).toEqual({ ...object, properties: { ok: {} } });
    expect(halves?.input_schema).toEqual({ ...object, title: "\ufffd", description: "ab" });
    expect((await call(runtime, "wiki_choice", {}))?.content).toMatch(/does not fit the tool's schema/);
    const metrics = await (await fetch(`http://127.0.0.1:${runtime.metricsPort}/metrics`)).text();
    expect(metrics).toMatch(/agentpg_mcp_tools_left_out\{server="wiki"\} 1/);
  });

  it("may have ten thousand tools: the allowed one is there", async () => {
    listing(Array.from({ length: 10_000 }, (_, i) => ({ name: `tool${i}`, inputSchema: object })));
    expect(statusOf(await start(wiki(["tool9999"])))).toMatchObject({ tools: 1, problem: null });
  });

  it.each([
    [
      "pages without end",
      () => json(({ method }) => (method === "tools/list" ? { tools: [], nextCursor: "x" } : undefined)),
      /more than 100 pages/,
    ],
    ["a list without end", () => listing([{ name: "a", description: "x".repeat(5_000_000) }]), /larger than/],
    [
      "a list of too many pages' worth",
      () =>
        json(({ method }) =>
          method === "tools/list"
            ? { tools: [{ name: "a", description: "x".repeat(2e6) }], nextCursor: "x" }
            : undefined,
        ),
      /answers are too large/,
    ],
    [
      "a list of too many tools",
      () => listing(Array.from({ length: 20_001 }, (_, i) => ({ name: `${i}`, inputSchema: object }))),
      /more than 20000 tools/,
    ],
    ["nonsense", () => json(({ method }) => (method === "tools/list" ? { tools: 7 } : undefined)), /not MCP/],
    [
      "a page of HTML",
      () => void (remote.instead = (_, res) => res.writeHead(200, { "content-type": "text/html" }).end("<h1>")),
      /not MCP|CONTENT|cannot be reached/,
    ],
    [
      "a wall",
      () => void (remote.instead = (_, res) => res.writeHead(401).end("secret page")),
      /asks for credentials \(HTTP 401\)/,
    ],
    [
      "a redirect",
      () => void (remote.instead = (_, res) => res.writeHead(307, { location: "https://169.254.169.254/" }).end()),
      /redirects \(HTTP 307\)/,
    ],
  ])("is told of in the status, not waited for: %s", async (_what, misbehave, problem) => {
    misbehave();
    const runtime = await start(wiki(["search"]));
    expect(statusOf(runtime)).toMatchObject({ connected: false, tools: 0, problem: expect.stringMatching(problem) });
  });

  it("is not reached at an address that is not public", async () => {
    const { isPublicAddress } = await import("../../src/runtime/tools/http-address.ts");
    const runtime = await start(wiki(["search"]), {
      network: { ...remote.network, isAllowedAddress: isPublicAddress },
    });
    expect(statusOf(runtime)?.problem).toMatch(/resolves to an address that may not be called/);
    expect(remote.requests).toEqual([]);
  });
});

it.each([
  ["an address", wiki(["a"], {}, "https://127.0.0.1/mcp"), /wiki\.mcp\.url: name the host/],
  ["credentials in the URL", wiki(["a"], {}, "https://me:pw@mcp.example.com/"), /wiki\.mcp\.url: .*credentials/],
  ["a name that is too long", wiki(["x".repeat(64)]), /64 being the most/],
  ["two tools of one name", wiki(["a.b", "a/b"]), /makes the tool name wiki_a_b, and so does wiki/],
])("an agent is refused %s", async (_what, tool, message) => {
  const error = await start(tool).catch((it) => it);
  expect(error).toBeInstanceOf(ConfigError);
  expect(error.message).toMatch(message);
});
