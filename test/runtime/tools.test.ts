import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeCertificates } from "../support/postgres.ts";
import { all, textOf, types, World } from "./fixture.ts";

const ORDERS = {
  name: "orders",
  description: "An order's state.",
  sql: {
    statement: "SELECT id, status FROM orders WHERE id = $1",
    parameters: {
      type: "object",
      properties: { id: { type: "integer" } },
      required: ["id"],
      additionalProperties: false,
    },
  },
};

let world: World;
beforeAll(async () => {
  world = await World.create();
  await world.data(
    "CREATE TABLE orders (id integer, status text); INSERT INTO orders VALUES (1042, 'shipped'); CREATE TABLE many AS SELECT g AS n FROM generate_series(1, 1000) g",
  );
});
afterAll(() => world?.close());
beforeEach(() => world.fresh());
afterEach(() => world.stopAgents());

const lastRequest = () =>
  world.claude.requests.filter((it) => it.path === "/v1/messages").at(-1)?.body as {
    messages: { role: string; content: { type: string; content: string; is_error?: boolean }[] }[];
  };
const lastResult = () => lastRequest().messages.at(-1)?.content[0];
const sqlTool = (name: string, statement: string) => ({ name, description: "d", sql: { statement } });

describe("the sql tool", () => {
  it("answers from the tenant's data", async () => {
    const { client } = await world.start({ tools: [ORDERS] });
    const session = await client.createSession();
    const events = await all(client.run(session.id, "Where is order 1042?"));
    expect(types(events)).toEqual(["run.started", "tool.started", "tool.finished", "text.delta", "run.completed"]);
    expect(textOf(events)).toContain("status shipped");
    expect(await world.sql("SELECT name, state, attempts, input, output FROM tool_executions")).toEqual([
      {
        name: "orders",
        state: "completed",
        attempts: 1,
        input: { id: 1042 },
        output: '[{"id":1042,"status":"shipped"}]',
      },
    ]);
    const audit = await world.sql<{ record: string }>("SELECT record FROM audit ORDER BY seq");
    expect(audit.map((it) => JSON.parse(it.record))).toMatchObject([
      { action: "tool.called", tool: "orders", input: { id: 1042 }, success: true, user: "anonymous", tenant: "acme" },
      { action: "run.completed", success: true },
    ]);
  });

  it("tells the model what is wrong with an input, and runs nothing", async () => {
    await world.fresh({
      rules: [{ match: "order (\\w+)", tool: "orders", input: { id: "$1", more: 1 }, answer: "{{result}}" }],
    });
    const { client } = await world.start({ tools: [ORDERS] });
    const session = await client.createSession();
    expect((await client.ask(session.id, "Where is order abc?")).state).toBe("completed");
    expect(lastResult()).toMatchObject({ type: "tool_result", is_error: true });
    expect(lastResult()?.content).toMatch(/id must be integer/);
    expect(lastResult()?.content).toMatch(/more|additional/);
  });

  it.each([
    ["a write", "WITH w AS (DELETE FROM orders RETURNING 1) SELECT * FROM w"],
    ["a second statement", "SELECT 1; SELECT 2"],
    ["a setting", "SET ROLE NONE"],
    ["the end of the transaction", "COMMIT"],
    ["the sessions of the tenant", "SELECT * FROM SCHEMA.sessions"],
  ])("refuses %s", async (_what, statement) => {
    const { client } = await world.start({
      tools: [
        sqlTool("query", statement.replace("SCHEMA", world.names.schema)),
        sqlTool("who", "SELECT current_user AS who, current_setting('transaction_read_only') AS ro"),
      ],
    });
    const session = await client.createSession();
    await client.ask(session.id, "USE_TOOL 1 query");
    expect(lastResult()).toMatchObject({ is_error: true });
    await client.ask(session.id, "USE_TOOL 1 who");
    expect(lastResult()?.content).toBe(`[{"who":"${world.names.tool}","ro":"on"}]`);
  });

  it("leaves its role by no function that changes settings or runs a text", async () => {
    const sessions = `SELECT * FROM ${world.names.schema}.sessions`;
    const statements = {
      both: `SELECT set_config('role', 'none', true), query_to_xml('${sessions}', true, false, '')`,
      capitals: "SELECT SET_CONFIG('role', 'none', true)",
      schema: "SELECT pg_catalog.set_config('role', 'none', true)",
      quoted: `SELECT "set_config"('role', 'none', true)`,
      escaped: `SELECT U&"set\\005fconfig"('role', 'none', true)`,
      text: `SELECT query_to_xml_and_xmlschema('${sessions}', true, false, '')`,
      search: `SELECT * FROM ts_stat('${sessions}')`,
    };
    const { client } = await world.start({ tools: Object.entries(statements).map(([name, it]) => sqlTool(name, it)) });
    const session = await client.createSession();
    for (const name of Object.keys(statements)) {
      await client.ask(session.id, `USE_TOOL 1 ${name}`);
      expect(lastResult(), name).toMatchObject({
        is_error: true,
        content: expect.stringContaining("could leave the tool role"),
      });
    }
  });

  it("leaves no transaction open, whether it went well or not", async () => {
    const { client } = await world.start({ tools: [ORDERS, sqlTool("wrong", "SELECT 1 / 0")] });
    const session = await client.createSession();
    await client.ask(session.id, "USE_TOOL 1 wrong");
    await client.ask(session.id, "USE_TOOL 1 orders");
    const open = "SELECT state FROM pg_stat_activity WHERE usename = $1 AND state LIKE 'idle in transaction%'";
    expect(await world.sql(open, [world.connection.user])).toEqual([]);
  });

  it("cuts what is too long, and says so; ends what takes too long", async () => {
    const slow = { ...sqlTool("slow", "SELECT pg_sleep(20)"), timeoutSeconds: 1 };
    const { client } = await world.start({ tools: [sqlTool("many", "SELECT n FROM many ORDER BY n"), slow] });
    const session = await client.createSession();
    await client.ask(session.id, "USE_TOOL 1 many");
    expect(JSON.parse(lastResult()?.content ?? "")).toMatchObject({ note: "cut: only the first 200 rows are shown" });
    await client.ask(session.id, "USE_TOOL 1 slow");
    expect(lastResult()?.content).toMatch(/took too long|did not finish/);
  });

  it("runs calls of one message together, and answers them together", async () => {
    const { client } = await world.start({ tools: [ORDERS] });
    const session = await client.createSession();
    const events = await all(client.run(session.id, "USE_TOOLS_PARALLEL 5 orders"));
    expect(events.at(-1)?.type).toBe("run.completed");
    expect(lastRequest().messages.at(-1)?.content).toHaveLength(5);
    expect(world.claude.stats.rejected).toBe(0);
  });

  it("stops after maxIterations", async () => {
    const { client } = await world.start({ tools: [ORDERS], limits: { maxIterations: 3 } });
    const session = await client.createSession();
    expect(await client.ask(session.id, "USE_TOOL 50 orders")).toMatchObject({
      state: "failed",
      error: { type: "max_iterations" },
    });
    expect((await client.ask(session.id, "Hello")).state).toBe("completed");
    expect(world.claude.stats.rejected).toBe(0);
  });
});

describe("the http tool", () => {
  let server: Server;
  let network: {
    ca: string;
    port: number;
    resolve: (host: string) => Promise<{ address: string; family: number }[]>;
    isAllowedAddress: (address: string) => boolean;
  };
  beforeAll(async () => {
    const { ca, cert, key } = await makeCertificates(["api.example.com", "www.example.com"]);
    const redirects: Record<string, string> = {
      "/away": "https://evil.example.net/",
      "/moved": "/hello",
      "/metadata": "https://169.254.169.254/latest",
    };
    server = createServer({ cert, key }, (req, res) => {
      const location = redirects[req.url ?? ""];
      if (location) res.writeHead(302, { location }).end();
      else res.end(req.url === "/big" ? "x".repeat(2 * 1024 * 1024) : `hello from ${req.headers.host}`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    network = {
      ca,
      port: (server.address() as AddressInfo).port,
      resolve: async () => [{ address: "127.0.0.1", family: 4 }],
      isAllowedAddress: (it) => it.endsWith("127.0.0.1"),
    };
  });
  afterAll(() => server?.close());

  const tool = {
    name: "fetch",
    description: "d",
    http: { allowedHosts: ["api.example.com", "*.example.org"], methods: ["GET"] as "GET"[] },
  };
  const call = async (url: string, more: object = {}, options = {}) => {
    await world.fresh({ rules: [{ match: "fetch", tool: "fetch", input: { url, ...more }, answer: "{{result}}" }] });
    const { client } = await world.start({ tools: [tool] }, { network: { ...network, ...options } });
    const session = await client.createSession();
    await client.ask(session.id, "fetch it");
    return lastResult();
  };

  it("calls a host of its list, and follows its redirects", async () => {
    expect((await call("https://api.example.com/moved"))?.content).toContain("hello from api.example.com");
  });
  it.each([
    ["plain http", "http://api.example.com/", /only https/],
    ["another host", "https://www.example.com/", /not on this tool's list/],
    ["an address", "https://127.0.0.1/", /name the host/],
    ["an address in IPv6", "https://[::ffff:127.0.0.1]/", /name the host/],
    ["an address as a number", "https://2130706433/", /name the host/],
    ["credentials", "https://me:secret@api.example.com/", /credentials/],
    ["a redirect to another host", "https://api.example.com/away", /not on this tool's list/],
    ["a redirect to the metadata service", "https://api.example.com/metadata", /name the host/],
    ["an answer that is too large", "https://api.example.com/big", /larger|failed/],
  ])("refuses %s", async (_what, url, why) => {
    const result = await call(url);
    expect(result).toMatchObject({ is_error: true });
    expect(result?.content).toMatch(why);
  });
  it("refuses a name when one of its addresses is not public", async () => {
    const { isPublicAddress } = await import("../../src/runtime/tools/http-address.ts");
    const resolve = async () => [
      { address: "93.184.216.34", family: 4 },
      { address: "::ffff:10.0.0.1", family: 6 },
    ];
    expect(
      (await call("https://api.example.com/", {}, { resolve, isAllowedAddress: isPublicAddress }))?.content,
    ).toMatch(/may not be called/);
  });
  it("refuses headers that belong to the connection, and methods that are not allowed", async () => {
    expect((await call("https://api.example.com/", { headers: { Host: "x" } }))?.content).toMatch(/header/);
    expect((await call("https://api.example.com/", { method: "POST" }))?.content).toMatch(/method/);
  });
});
