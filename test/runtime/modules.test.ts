import { execFile } from "node:child_process";
import { cp, readFile, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { agentSpec } from "../../src/api/agent.ts";
import { contentsOf } from "../../src/runtime/modules/contents.ts";
import type { AgentProcess } from "./agent-process.ts";
import { startProcess } from "./agent-process.ts";
import { World } from "./fixture.ts";
import { mounted } from "./module-folder.ts";

const run = promisify(execFile);
const example = (file: string) => readFile(join("examples/tool-module", file), "utf8");

let world: World;
let dist: string;
beforeAll(async () => {
  world = await World.create();
  dist = join(world.folder, "dist"); // no node_modules around it, as in the image
  await run(process.execPath, ["dev/bundle.ts", dist]);
});
afterAll(() => world?.close());

const lastResult = () => {
  const requests = world.claude.requests.filter((it) => it.path === "/v1/messages");
  const body = requests.at(-1)?.body as
    | { messages: { content: { content: string; is_error?: boolean }[] }[] }
    | undefined;
  return body?.messages.at(-1)?.content[0];
};

describe("the bundled program", () => {
  let agent: AgentProcess;
  beforeAll(async () => {
    const faults = `
      const fault = (name: string, error: () => unknown) =>
        defineTool({ name, description: "d", input: z.object({}), execute() { throw error(); } });
      const odd = defineTool({ name: "odd", description: "d", input: z.object({}), execute: () => new Uint8Array(3) });
      const large = defineTool({ name: "large", description: "d", input: z.object({}), execute: () => "x".repeat(1e6) });
      const context = defineTool({ name: "context", description: "d", input: z.object({}),
        execute: (_input, { signal, log, ...rest }) => ({ ...rest, aborted: signal.aborted }) });
      let busy = 0;
      const snoozed = defineTool({ name: "snoozed", description: "d", input: z.object({}),
        execute(_input, { idempotencyKey }) { if (busy++ === 0) throw new SnoozeTool(0.2); return { calls: busy, idempotencyKey }; } });
      const flaky = defineTool({ name: "flaky", description: "d", input: z.object({}), idempotent: true, maxAttempts: 2,
        execute() { throw new RetryTool("still down"); } });
      export const tools = [shippingQuote, odd, large, context, snoozed, flaky, fault("broken", () => new Error("host 10.1.2.3 is down"))];
      export const hooks = [cards];`;
    const files = {
      "shop.ts": (await example("shop.ts")).replace(/export default .*;/, faults),
      "cards.ts": await example("cards.ts"),
    };
    const { modules, env } = await mounted(world, { shop: files });
    agent = await startProcess(world, { modules }, env, [join(dist, "agentpg.mjs"), "runtime"]);
  });
  afterAll(() => agent?.end("SIGKILL"));

  const call = async (tool: string, input: object, variables?: Record<string, unknown>) => {
    await world.fresh({ rules: [{ match: "call", tool, input, answer: "{{result}}" }] as never });
    const session = await agent.client.createSession();
    await agent.client.ask(session.id, "call it", variables ? { variables } : {});
    return lastResult();
  };

  it("runs the tools of a TypeScript module, which imports zod, the interface and its neighbours", async () => {
    const input = { country: "de", kilograms: 2 };
    expect(JSON.parse((await call("shipping_quote", input))?.content ?? "")).toEqual({ euros: 5, days: 3 });
    const asked = world.claude.requests.at(-1)?.body as { tools: { name: string; input_schema: object }[] } | undefined;
    expect(asked?.tools.find((it) => it.name === "shipping_quote")?.input_schema).toMatchObject({
      type: "object",
      required: ["country", "kilograms"],
      properties: { express: { type: "boolean", default: false } },
    });
  });

  it("gives a tool the run's variables as its schema reads them, and fails the call when they do not fit", async () => {
    const input = { country: "DE", kilograms: 2 };
    const quote = await call("shipping_quote", input, { customerGroup: "business" });
    expect(JSON.parse(quote?.content ?? "")).toMatchObject({ euros: 4.5 });
    expect(await call("shipping_quote", input, { customerGroup: "friend" })).toMatchObject({
      is_error: true,
      content: expect.stringMatching(/the run's variables are not those that this tool needs: customerGroup: /),
    });
  });

  it("tells a tool where it is called", async () => {
    expect(JSON.parse((await call("context", {}, { a: 1 }))?.content ?? "")).toEqual({
      variables: { a: 1 },
      tenant: "acme",
      agent: "support",
      userId: "anonymous",
      aborted: false,
      runId: expect.any(String),
      sessionId: expect.any(String),
      idempotencyKey: expect.any(String),
    });
  });

  it.each([
    ["an input that does not fit", "shipping_quote", { country: "Germany", kilograms: 99 }, /country: .*; kilograms: /],
    ["what a ToolError says", "shipping_quote", { country: "AQ", kilograms: 1 }, /^We do not deliver to Antarctica\.$/],
    ["nothing of any other error", "broken", {}, /^the tool failed$/],
    ["that binary data is nothing to read", "odd", {}, /^the tool failed$/],
  ])("tells the model %s", async (_what, tool, input, why) => {
    expect(await call(tool, input)).toMatchObject({ is_error: true, content: expect.stringMatching(why) });
  });

  it("keeps the reason of a failure for the log, and cuts what is too long", async () => {
    expect(agent.output()).toContain("host 10.1.2.3 is down");
    expect((await call("large", {}))?.content).toMatch(/x\n\[cut: 65536 of 1000000 bytes]$/);
  });

  it("calls a tool again that asks for it: later, or while it has attempts left", async () => {
    expect(JSON.parse((await call("snoozed", {}))?.content ?? "")).toMatchObject({ calls: 2 });
    expect(await call("flaky", {})).toMatchObject({ is_error: true, content: "still down" });
    const attempts = "SELECT name, attempts FROM tool_executions WHERE name IN ('snoozed', 'flaky') ORDER BY name";
    expect(await world.sql(attempts)).toEqual([
      { name: "flaky", attempts: 2 },
      { name: "snoozed", attempts: 1 },
    ]);
  });

  it("calls the module's hooks", async () => {
    await world.fresh();
    const session = await agent.client.createSession();
    await agent.client.ask(session.id, "My card is 4111 1111 1111 1111, my order 1042");
    const { items } = await agent.client.messages(session.id);
    expect(items[0]?.content).toEqual([{ type: "text", text: "My card is **** 1111, my order 1042" }]);
  });

  it("ends with code 2 when a module cannot be loaded; its last words are for the Agent's conditions", async () => {
    const { modules, env } = await mounted(world, { shop: { "shop.ts": "\nexport const x = ;" } });
    const lastWords = join(world.folder, "termination-log");
    await writeFile(lastWords, "");
    const config = join(world.folder, "wrong.json");
    await writeFile(config, JSON.stringify(world.config({ modules })));
    const all = { ...world.environment(env), AGENTPG_CONFIG: config, AGENTPG_TERMINATION_LOG: lastWords };
    const ended = run(process.execPath, [join(dist, "agentpg.mjs"), "runtime"], { env: all });
    await expect(ended).rejects.toMatchObject({ code: 2 });
    expect(await readFile(lastWords, "utf8")).toMatch(/^module shop \(shop\.ts\): .*Expression expected/);
  });
});

describe("a module that cannot be had", () => {
  const CASES: [string, string, Record<string, string>, RegExp][] = [
    ["is not there", "gone", {}, /the file is not there/],
    ["is no TypeScript", "syntax", { "a.ts": "\nexport const x = ;" }, /Expression expected/],
    ["has types that do not vanish", "enums", { "a.ts": "enum A { B }" }, /no enum, namespace or parameter property/],
    [
      "imports a package",
      "package",
      { "a.js": 'import "lodash";' },
      /a\.js imports "lodash": a module can import zod, .*esbuild --bundle/,
    ],
    [
      "imports from outside",
      "outside",
      { "a.js": 'import "../throws/a.js";' },
      /imports "\.\.\/throws\/a\.js": a module can import/,
    ],
    ["imports what its ConfigMap has not", "neighbour", { "a.js": 'import "./b.js";' }, /Cannot find module .*b\.js/],
    [
      "imports what the interface has not",
      "name",
      { "a.js": 'import { defineTol } from "agentpg-operator/tools";' },
      /a\.js:1: .*'defineTol'/,
    ],
    [
      "throws",
      "throws",
      { "a.js": 'throw new Error("password=hunter2 is wrong");' },
      /it throws while it is loaded: password=\[redacted]/,
    ],
    [
      "exports nothing of use",
      "nothing",
      { "a.js": "export const tool = 1;" },
      /exports neither tools nor hooks: write/,
    ],
    [
      "has a tool with a wrong name",
      "names",
      { "a.js": 'export const tools = [{ name: "a b" }];' },
      /tools\[0] \(a b\)\.name: 1 to 64 letters/,
    ],
    [
      "has a typing error",
      "typo",
      {
        "a.js":
          'import { z } from "zod"; export const tools = [{ name: "a", description: "d", input: z.object({}), timeoutSecs: 1, execute() {} }];',
      },
      /tools\[0] \(a\): Unrecognized key: "timeoutSecs"/,
    ],
    [
      "has a schema that is none",
      "schema",
      { "a.js": 'export const tools = [{ name: "a", description: "d", input: {}, execute() {} }];' },
      /\(a\)\.input: must be a zod object/,
    ],
    [
      "has a hook that does nothing",
      "hook",
      { "a.js": 'export const hooks = [{ name: "h" }];' },
      /hooks\[0] \(h\): has none of beforeMessage/,
    ],
  ];
  let messages: Record<string, string>;
  beforeAll(async () => {
    const { modules, env } = await mounted(world, Object.fromEntries(CASES.map(([, name, files]) => [name, files])));
    const script = `
      const { loadModules } = await import(${JSON.stringify(resolve("src/runtime/modules/load.ts"))});
      const told = {};
      for (const it of ${JSON.stringify(modules)})
        await loadModules([{ ...it, file: it.file || "a.ts" }], process.env.AGENTPG_MODULES_DIR).catch((error) => (told[it.name] = error.name + ": " + error.message));
      console.log(JSON.stringify(told));`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { env });
    messages = JSON.parse(stdout);
  });
  it.each(CASES)("says so when it %s", (_what, name, files, why) => {
    const file = Object.keys(files)[0] ?? "a.ts";
    expect(messages[name]).toMatch(new RegExp(`^ConfigError: module ${name} \\(${file}\\): `));
    expect(messages[name]).toMatch(why);
  });
});

describe("names", () => {
  afterEach(() => world.stopAgents());
  const module = (name: string, tool: object) => ({ name, ...contentsOf({ tools: [tool] }) });
  it("of tools are there once, and a schema that JSON Schema cannot say is refused", async () => {
    const { z } = await import("zod");
    const tool = { name: "one", description: "d", input: z.object({}), execute: () => 1 };
    const spec = { name: "one", description: "d", sql: { statement: "SELECT 1" } };
    await expect(world.start({ tools: [spec] }, { modules: [module("mine", tool)] })).rejects.toThrow(
      "the tool one is in spec.tools and in a module of spec.modules: rename one",
    );
    const dated = { ...tool, input: z.object({ when: z.date() }) };
    await expect(world.start({}, { modules: [module("mine", dated)] })).rejects.toThrow(
      /module mine: tool one: its input cannot be told to the model as JSON Schema: /,
    );
  });
});

describe("the example", () => {
  it("is typed by what the package exports", async () => {
    const folder = join(world.folder, "editor");
    const installed = join(folder, "node_modules/agentpg-operator");
    await cp(join(dist, "types"), join(installed, "dist/types"), { recursive: true });
    for (const it of ["zod", "@types"]) await symlink(resolve("node_modules", it), join(folder, "node_modules", it));
    await writeFile(join(installed, "package.json"), await readFile("package.json", "utf8"));
    await writeFile(join(folder, "cards.ts"), await example("cards.ts"));
    const shop = await example("shop.ts");
    await writeFile(join(folder, "shop.mts"), shop);
    await writeFile(join(folder, "wrong.mts"), shop.replaceAll("customerGroup ===", "customerGrupp ==="));
    const options =
      "--ignoreConfig --noEmit --strict --module nodenext --target es2024 --allowImportingTsExtensions --skipLibCheck --types node";
    const check = (file: string) =>
      run(process.execPath, [resolve("node_modules/typescript/bin/tsc"), ...options.split(" "), file], { cwd: folder });
    await check("shop.mts");
    await expect(check("wrong.mts")).rejects.toMatchObject({ stdout: expect.stringContaining("customerGrupp") });
  });

  it("is an Agent that the API takes", async () => {
    const { spec } = parse(await example("agent.yaml"));
    expect(agentSpec.parse(spec).modules).toEqual([
      { name: "shop", configMapKeyRef: { name: "shop-tools", key: "shop.ts" } },
    ]);
  });
});
