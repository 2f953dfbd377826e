import { expect, test } from "vitest";
import { agent as agentSchema, type Agent } from "../../api/agent.ts";
import { tenant as tenantSchema } from "../../api/tenant.ts";
import { configurationProblem, delegationCycle } from "./validate.ts";

const tenant = (anthropic: object = {}) =>
  tenantSchema.parse({
    metadata: { name: "acme", uid: "u" },
    spec: { anthropic: { apiKeySecretRef: { name: "k" }, ...anthropic } },
  });
const anAgent = (name: string, spec: object = {}): Agent =>
  agentSchema.parse({
    metadata: { name, namespace: "acme", uid: name },
    spec: { model: "claude-sonnet-5-5", ...spec },
  });
const asks = (name: string, ...others: string[]) =>
  anAgent(name, { tools: others.map((it) => ({ name: it, description: "d", agent: { name: it } })) });
const problem = (agent: Agent, siblings: Agent[] = [], theTenant = tenant(), promptFound = true) =>
  configurationProblem({
    agent,
    tenant: theTenant,
    siblings: [agent, ...siblings],
    promptFound,
    missingModules: agent.spec.modules,
    noEncryption: { reason: "EncryptionKeyMissing", message: "there is no key" },
  });

test("a plain Agent has no problem", () => {
  expect(problem(anAgent("a"))).toBeUndefined();
});

test("a model that the tenant does not allow is named with those that it does", () => {
  expect(problem(anAgent("a"), [], tenant({ allowedModels: ["claude-haiku-5-5"] }))).toMatchObject({
    reason: "ModelNotAllowed",
    message: expect.stringContaining("claude-haiku-5-5"),
  });
});

test("a delegate that does not exist is named", () => {
  expect(problem(asks("a", "b"))).toMatchObject({
    reason: "DelegateMissing",
    message: expect.stringContaining("no Agent b"),
  });
});

test("a circle of delegates is shown from its start to its start", () => {
  const all = [asks("a", "b"), asks("b", "c"), asks("c", "a", "d"), asks("d")];
  expect(delegationCycle(all[0] as Agent, all)).toEqual(["a", "b", "c", "a"]);
  expect(delegationCycle(all[3] as Agent, all)).toBeUndefined();
  expect(problem(asks("self", "self"))?.reason).toBe("DelegationCycle");
});

test("an Agent that only leads into a circle is not part of it", () => {
  const all = [asks("start", "b"), asks("b", "c"), asks("c", "b")];
  expect(delegationCycle(all[0] as Agent, all)).toBeUndefined();
});

test("a module that is not there is named", () => {
  const agent = anAgent("a", { modules: [{ name: "shop", configMapKeyRef: { name: "tools", key: "shop.ts" } }] });
  expect(problem(agent)).toMatchObject({
    reason: "ModuleMissing",
    message: expect.stringContaining("ConfigMap tools has no key shop.ts"),
  });
});

test("a prompt source that is not there is named", () => {
  const agent = anAgent("a", { systemPromptFrom: { configMapKeyRef: { name: "prompts", key: "main" } } });
  expect(problem(agent, [], tenant(), false)).toMatchObject({
    reason: "SystemPromptMissing",
    message: expect.stringContaining("prompts"),
  });
});

test.each(["Redact", "Block"])("a policy for personal data is taken: %s", (pii) => {
  expect(problem(anAgent("a", { dataProtection: { pii } }))).toBeUndefined();
});

test("encryption without a key to do it with is refused", () => {
  expect(problem(anAgent("a", { dataProtection: { encryptTranscripts: true } }))).toEqual({
    reason: "EncryptionKeyMissing",
    message: "spec.dataProtection.encryptTranscripts: there is no key",
  });
});

const sqlAgent = (sql: object) => anAgent("a", { tools: [{ name: "q", description: "d", sql }] });
const parameters = { type: "object", properties: { id: {}, since: {} } };

test("an sql statement and its parameters must fit", () => {
  expect(problem(sqlAgent({ statement: "select $1, $2", parameters }))).toBeUndefined();
  expect(problem(sqlAgent({ statement: "select $1", parameters }))?.message).toContain("takes 1 values");
  expect(problem(sqlAgent({ statement: "select $1", parameters, arguments: ["nobody"] }))?.message).toContain("nobody");
  expect(problem(sqlAgent({ statement: "select 1", parameters: { type: "array" } }))?.message).toContain("type object");
});

test.each([
  ["two of one name", ["a.b", "a/b"], /wiki\.mcp\.allowedTools: a\/b makes the tool name wiki_a_b, and so does wiki/],
  ["one of another tool's name", ["page"], /and so does the tool wiki_page: rename/],
  ["one that is too long", ["x".repeat(60)], /has 65 characters, 64 being the most: shorten the name wiki/],
])("tools of an MCP server that cannot be named are refused: %s", (_what, allowedTools, message) => {
  const tools = [
    { name: "wiki_page", description: "d", http: { allowedHosts: ["example.com"] } },
    { name: "wiki", description: "d", mcp: { url: "https://mcp.example.com", allowedTools } },
  ];
  expect(problem(anAgent("a", { tools }))).toMatchObject({
    reason: "ToolInvalid",
    message: expect.stringMatching(message),
  });
});

test("a token that cannot be had is told as it was found", () => {
  const agent = anAgent("a");
  const missing = { agent, tenant: tenant(), siblings: [agent], promptFound: true, missingModules: [] };
  expect(configurationProblem({ ...missing, noEncryption: undefined, noMcpToken: "spec.tools: wiki" })).toEqual({
    reason: "McpTokenMissing",
    message: "spec.tools: wiki",
  });
});

const NOTES = { name: "notes", description: "d", sql: { statement: "SELECT 1" } };
const WIKI = { name: "wiki", description: "d", mcp: { url: "https://wiki.example/mcp", allowedTools: ["read"] } };
test.each([
  ["a name that no tool has", ["note"], "there is no tool note: correct the name (there is notes, wiki, wiki_read, b)"],
  ["a tool of an MCP server that is not offered", ["wiki_write"], "there is no tool wiki_write"],
  ["another agent", ["b"], "in its own spec.approvals.tools"],
])("approvals of %s are refused: the tool that is meant would run unasked", (_what, names, message) => {
  const tools = [NOTES, WIKI, { name: "b", description: "d", agent: { name: "b" } }];
  const agent = (approvals: string[], more = {}) => anAgent("a", { tools, approvals: { tools: approvals }, ...more });
  expect(problem(agent(names), [anAgent("b")])).toEqual({
    reason: "ToolInvalid",
    message: expect.stringMatching(/^spec\.approvals\.tools: /),
  });
  expect(problem(agent(names), [anAgent("b")])?.message).toContain(message);
  expect(problem(agent(["notes", "wiki", "wiki_read"]), [anAgent("b")])).toBeUndefined();
});
