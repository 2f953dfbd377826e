import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { NAMESPACE } from "../../src/kubernetes/resource-kind.ts";
import { startControlPlane } from "../../src/local-cluster/index.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { silentProgress, terminalProgress } from "../../src/telemetry/progress.ts";
import { aTenant, aTool, anAgent } from "../support/builders.ts";
import { connect, installDefinitions } from "../support/custom-resources.ts";

type Loose = { [key: string]: unknown };
type Case = [name: string, object: object, says: RegExp];

const bad = "acme";
const modules = (...keys: string[]) =>
  anAgent(bad, "x", { modules: keys.map((key) => ({ name: "shop", configMapKeyRef: { name: "tools", key } })) });
const tools = (...list: unknown[]) => anAgent(bad, "x", { tools: list });
const sql = { sql: { statement: "select 1" } };
const spec = (more: Loose) => aTenant("x", more);

/** Each is refused by the API server itself, in a sentence that names the field. */
const BAD_TENANTS: Case[] = [
  ["no spec", { apiVersion: "agentpg.dev/v1alpha1", kind: "Tenant", metadata: { name: "x" } }, /spec: Required/],
  ["no API key reference", { ...aTenant("x"), spec: {} }, /spec\.anthropic: Required/],
  [
    "no Secret name",
    { ...aTenant("x"), spec: { anthropic: { apiKeySecretRef: {} } } },
    /apiKeySecretRef\.name: Required/,
  ],
  ["an unknown field", spec({ nmespace: "x" }), /unknown field "spec\.nmespace"/],
  ["an unknown nested field", spec({ database: { isolaton: "Schema" } }), /unknown field "spec\.database\.isolaton"/],
  ["a key as plain text", spec({ anthropic: { apiKey: "sk-ant-x" } }), /unknown field "spec\.anthropic\.apiKey"/],
  [
    "an unknown isolation",
    spec({ database: { isolation: "Table" } }),
    /spec\.database\.isolation: Unsupported value: "Table": supported values: "Schema", "Database"/,
  ],
  ["an unknown deletion policy", spec({ deletionPolicy: "Keep" }), /spec\.deletionPolicy: Unsupported value/],
  ["a namespace with capitals", spec({ namespace: "Acme" }), /spec\.namespace: Invalid value/],
  [
    "a namespace of Kubernetes",
    spec({ namespace: "kube-system" }),
    /spec\.namespace.*belongs? to|cannot take a namespace of Kubernetes/,
  ],
  ["the namespace default", spec({ namespace: "default" }), /cannot take a namespace of Kubernetes itself/],
  ["a name of Kubernetes, no namespace", aTenant("kube-system"), /set spec\.namespace/],
  ["a name with a dot", aTenant("a.b"), /without dots/],
  ["a name over 63 characters", aTenant("x".repeat(64)), /at most 63/],
  ["a name with a quote", aTenant('a"b'), /Invalid value/],
  ["a name with an apostrophe", aTenant("a'b"), /Invalid value/],
  ["a name in Unicode", aTenant("名前"), /Invalid value/],
  ["a name of Postgres' own kind", aTenant("pg_catalog"), /Invalid value/],
  ["a name with capitals", aTenant("Acme"), /Invalid value/],
  ["an empty name", aTenant(""), /name.*required/],
  ["the name of the default namespace", aTenant("default"), /set spec\.namespace/],
  ["a namespace over 63 characters", spec({ namespace: "x".repeat(64) }), /spec\.namespace: (Too long|Invalid value)/],
  ["a namespace with a quote", spec({ namespace: 'a"b' }), /spec\.namespace: Invalid value/],
  ["a negative connection limit", spec({ database: { connectionLimit: -1 } }), /connectionLimit: Invalid value/],
  [
    "a connection limit as text",
    spec({ database: { connectionLimit: "50" } }),
    /connectionLimit: Invalid value: "string"/,
  ],
  ["a rotation of zero days", spec({ database: { passwordRotationDays: 0 } }), /passwordRotationDays: Invalid value/],
  ["a budget as a number", spec({ budget: { perDay: { usd: 50 } } }), /budget\.perDay\.usd: Invalid value/],
  ["a budget in words", spec({ budget: { perDay: { usd: "fifty" } } }), /budget\.perDay\.usd: Invalid value/],
  ["an empty budget", spec({ budget: { perDay: {} } }), /set usd, tokens or both/],
  [
    "a negative token budget",
    spec({ budget: { perMonth: { tokens: -5 } } }),
    /budget\.perMonth\.tokens: Invalid value/,
  ],
  ["no runs a minute", spec({ limits: { runsPerMinute: 0 } }), /limits\.runsPerMinute: Invalid value/],
  ["retention for ever", spec({ retention: { sessionDays: 0 } }), /retention\.sessionDays: Invalid value/],
  ["a quota that is no quantity", spec({ quota: { memory: "lots" } }), /quota\.memory/],
  [
    "an http issuer",
    spec({ access: { oidc: { issuer: "http://id.example.com" } } }),
    /access\.oidc\.issuer: Invalid value/,
  ],
  ["egress that is no network", spec({ network: { egress: [{ cidr: "example.com" }] } }), /cidr must be a network/],
  [
    "egress to the metadata address",
    spec({ network: { egress: [{ cidr: "169.254.169.254/32" }] } }),
    /link-local, metadata and loopback addresses are never opened/,
  ],
  [
    "egress to port 0",
    spec({ network: { egress: [{ cidr: "203.0.113.0/24", ports: [0] }] } }),
    /egress\[0\]\.ports\[0\]: Invalid value/,
  ],
  ["a model named twice", spec({ anthropic: { allowedModels: ["claude-a", "claude-a"] } }), /Duplicate value/],
];

const BAD_AGENTS: Case[] = [
  ["no model", { ...anAgent(bad, "x"), spec: {} }, /spec\.model: Required/],
  ["an empty model", anAgent(bad, "x", { model: "" }), /spec\.model: Invalid value/],
  ["a model with a space", anAgent(bad, "x", { model: "claude sonnet" }), /spec\.model: Invalid value/],
  ["an unknown field", anAgent(bad, "x", { privileged: true }), /unknown field "spec\.privileged"/],
  ["an image of one's own", anAgent(bad, "x", { image: "evil" }), /unknown field "spec\.image"/],
  ["a name too long for its objects", anAgent(bad, "x".repeat(58)), /at most 57/],
  ["negative replicas", anAgent(bad, "x", { replicas: -1 }), /spec\.replicas: Invalid value/],
  ["replicas as text", anAgent(bad, "x", { replicas: "2" }), /spec\.replicas: Invalid value/],
  ["an unknown mode", anAgent(bad, "x", { mode: "Fast" }), /spec\.mode: Unsupported value/],
  [
    "two system prompts",
    anAgent(bad, "x", { systemPrompt: "a", systemPromptFrom: { configMapKeyRef: { name: "p", key: "k" } } }),
    /not both/,
  ],
  [
    "a prompt source without a key",
    anAgent(bad, "x", { systemPromptFrom: { configMapKeyRef: { name: "p" } } }),
    /configMapKeyRef\.key: Required/,
  ],
  ["a module that is no script", modules("shop.py"), /modules\[0\]\.configMapKeyRef\.key: Invalid value/],
  ["two modules of one name", modules("a.ts", "b.ts"), /modules\[1\]: Duplicate value/],
  ["no output tokens", anAgent(bad, "x", { maxOutputTokens: 0 }), /maxOutputTokens: Invalid value/],
  ["no iterations", anAgent(bad, "x", { limits: { maxIterations: 0 } }), /limits\.maxIterations: Invalid value/],
  [
    "a time-out over a day",
    anAgent(bad, "x", { limits: { runTimeoutSeconds: 86_401 } }),
    /runTimeoutSeconds: Invalid value/,
  ],
  ["a tool of no kind", tools(aTool("a", {})), /a tool is exactly one of/],
  ["a tool of two kinds", tools(aTool("a", { ...sql, agent: { name: "b" } })), /a tool is exactly one of/],
  ["two tools of one name", tools(aTool("a", sql), aTool("a", sql)), /Duplicate value/],
  ["a tool name with a space", tools(aTool("look up", sql)), /tools\[0\]\.name: Invalid value/],
  ["a tool without a description", tools({ name: "a", ...sql }), /tools\[0\]\.description: Required/],
  ["an sql tool without a statement", tools(aTool("a", { sql: {} })), /sql\.statement: Required/],
  ["an http tool without hosts", tools(aTool("a", { http: { allowedHosts: [] } })), /allowedHosts: Invalid value/],
  [
    "an http tool with a URL as host",
    tools(aTool("a", { http: { allowedHosts: ["https://example.com"] } })),
    /allowedHosts\[0\]: Invalid value/,
  ],
  [
    "an http method that there is not",
    tools(aTool("a", { http: { allowedHosts: ["example.com"], methods: ["STEAL"] } })),
    /methods\[0\]: Unsupported value/,
  ],
  [
    "an mcp server over http",
    tools(aTool("a", { mcp: { url: "http://example.com", allowedTools: ["x"] } })),
    /mcp\.url: Invalid value/,
  ],
  ["a command without arguments", tools(aTool("a", { commands: { du: { argv: [] } } })), /argv: Invalid value/],
  [
    "a command's argument without a rule",
    tools(aTool("a", { commands: { du: { argv: ["du", "{path}"], arguments: { path: {} } } } })),
    /commands\[?.*du.*path.*either a pattern or an enum/,
  ],
  [
    "a command's argument with two rules",
    tools(
      aTool("a", { commands: { du: { argv: ["du", "{path}"], arguments: { path: { pattern: "a", enum: ["a"] } } } } }),
    ),
    /either a pattern or an enum: set one of them/,
  ],
  [
    "a workspace without a size",
    anAgent(bad, "x", { workspace: { size: "much" } }),
    /spec\.workspace\.size: Invalid value/,
  ],
  [
    "a workspace for everybody",
    anAgent(bad, "x", { workspace: { scope: "Tenant" } }),
    /spec\.workspace\.scope: Unsupported value/,
  ],
  ["files with all access", tools(aTool("a", { files: { access: "Root" } })), /files\.access: Unsupported value/],
  [
    "an approval that approves itself by a typo",
    anAgent(bad, "x", { approvals: { onTimeout: "Allow" } }),
    /onTimeout: Unsupported value/,
  ],
  [
    "calls on which nobody could decide",
    anAgent(bad, "x", { approvals: { ownerMayDecide: false } }),
    /ownerMayDecide: Invalid value.*nobody could decide: name approverRoles/,
  ],
  [
    "an unknown PII policy",
    anAgent(bad, "x", { dataProtection: { pii: "Maybe" } }),
    /dataProtection\.pii: Unsupported value/,
  ],
  [
    "more protected tokens than kept",
    anAgent(bad, "x", { compaction: { targetTokens: 1000, protectedTokens: 2000 } }),
    /must not be larger than compaction\.targetTokens/,
  ],
  ["memory that is no quantity", anAgent(bad, "x", { resources: { limits: { memory: "many" } } }), /limits\.memory/],
];

describe("bad objects are refused by the API server, naming the field", () => {
  let plane: Awaited<ReturnType<typeof startControlPlane>>;
  let client: KubernetesClient;
  let close: () => Promise<void>;

  beforeAll(async () => {
    plane = await startControlPlane({ progress: process.env["CI"] ? terminalProgress() : silentProgress });
    ({ client, close } = connect(plane.kubeconfig));
    await installDefinitions(client);
    await client.create(NAMESPACE, { apiVersion: "v1", kind: "Namespace", metadata: { name: bad } });
  }, 1_800_000);
  afterAll(async () => {
    await close?.();
    await plane?.stop();
  });

  // Strict field validation is what kubectl asks for.
  const create = (path: string, body: object) =>
    client.request("POST", path, { body, query: { fieldValidation: "Strict" } });
  const tenants = "/apis/agentpg.dev/v1alpha1/tenants";
  const agents = `/apis/agentpg.dev/v1alpha1/namespaces/${bad}/agents`;

  test.each(BAD_TENANTS)("Tenant: %s", async (_name, object, says) => {
    await expect(create(tenants, object)).rejects.toThrow(says);
  });

  test.each(BAD_AGENTS)("Agent: %s", async (_name, object, says) => {
    await expect(create(agents, object)).rejects.toThrow(says);
  });

  test.each([
    ["namespace changed", { namespace: "b" }],
    ["namespace removed", { namespace: null }],
    ["isolation changed", { database: { isolation: "Database" } }],
  ])("immutable: %s", async (name, change) => {
    const tenant = aTenant(`immutable-${name.replaceAll(" ", "-")}`, { namespace: "a" });
    await create(tenants, tenant);
    await expect(client.mergePatch(TENANT, tenant.metadata.name, undefined, { spec: change })).rejects.toThrow(
      /immutable/,
    );
  });

  test("a namespace set later is refused too", async () => {
    await create(tenants, aTenant("immutable-unset"));
    await expect(client.mergePatch(TENANT, "immutable-unset", undefined, { spec: { namespace: "b" } })).rejects.toThrow(
      /immutable/,
    );
  });

  test.each(["user", "select", "public", "pg-catalog", "x".repeat(63)])(
    "a name that means something to Postgres, or is as long as it may be, is as good as any: %s",
    async (name) => {
      const made = (await create(tenants, aTenant(name))) as { metadata: { name: string } };
      expect(made.metadata.name).toBe(name);
    },
  );

  test("a Tenant that names only the Secret gets the documented defaults", async () => {
    const made = (await create(tenants, aTenant("plain"))) as { spec: Loose };
    expect(made.spec).toMatchObject({
      deletionPolicy: "Retain",
      database: { isolation: "Schema", connectionLimit: 50, passwordRotationDays: 30 },
      anthropic: { apiKeySecretRef: { name: "anthropic", key: "api-key" }, allowedModels: [] },
      limits: { runsPerMinute: 600, concurrentRuns: 50 },
      retention: { sessionDays: 90, archiveDays: 30, auditDays: 365 },
      quota: { pods: 50, cpu: "8", memory: "16Gi" },
      network: { egress: [] },
      paused: false,
    });
  });

  test("an Agent that names only its model gets the documented defaults, and scales", async () => {
    const made = (await create(agents, anAgent(bad, "plain"))) as { spec: Loose };
    expect(made.spec).toMatchObject({
      mode: "Streaming",
      replicas: 1,
      maxOutputTokens: 4096,
      limits: { maxIterations: 25, runTimeoutSeconds: 600, toolTimeoutSeconds: 30 },
      tools: [],
      dataProtection: { pii: "Off", encryptTranscripts: false },
      compaction: {
        triggerRatio: 0.85,
        targetTokens: 80_000,
        preserveLast: 10,
        protectedTokens: 40_000,
        summarizerModel: "claude-haiku-5-5",
      },
      resources: { requests: { cpu: "100m", memory: "192Mi" }, limits: { memory: "512Mi" } },
    });
    await client.mergePatch(AGENT, "plain", bad, { spec: { replicas: 3 } }, "scale");
    expect((await client.get<{ spec: Loose }>(AGENT, "plain", bad)).spec["replicas"]).toBe(3);
  });

  test("the design's own example objects are accepted", async () => {
    const every = [
      aTool("orders", {
        sql: {
          statement: "select 1 where $1 = 1",
          parameters: { type: "object", properties: { id: { type: "integer" } }, required: ["id"] },
        },
      }),
      aTool("fetch", { http: { allowedHosts: ["api.example.com"], methods: ["GET"] } }),
      aTool("notes", { files: { access: "ReadWrite" } }),
      aTool("shell", { commands: { disk_usage: { argv: ["du", "-sh"] } } }),
      aTool("wiki", { mcp: { url: "https://mcp.example.com", allowedTools: ["search"] } }),
      aTool("researcher", { agent: { name: "researcher" } }),
    ];
    const made = (await create(agents, anAgent(bad, "every", { tools: every, approvals: { tools: ["notes"] } }))) as {
      spec: { tools: Loose[] };
    };
    expect(made.spec.tools[0]?.["sql"]).toMatchObject({ parameters: { properties: { id: { type: "integer" } } } });
  });
});
