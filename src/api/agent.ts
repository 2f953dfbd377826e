import { z } from "zod";
import { commandsTool } from "./command.ts";
import { API_VERSION, conditions, dataKey, objectMeta, objectName, quantity, rules } from "./resource.ts";
import { spendLimit } from "./spend-limit.ts";
import { filesTool, workspaceSpec } from "./workspace.ts";

/** A JSON Schema (draft 2020-12) of an object, as tools take it. Kept as it is: the API server does not look inside. */
const jsonSchema = z
  .record(z.string(), z.unknown())
  .meta({ type: "object", "x-kubernetes-preserve-unknown-fields": true })
  .describe("JSON Schema of the tool's input; type object.");

const toolName = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[a-zA-Z0-9_-]+$/)
  .describe("What the model calls the tool by.");

const sqlTool = z
  .object({
    statement: z
      .string()
      .min(1)
      .max(16_384)
      .describe("One SQL statement with $1, $2, … for its parameters. It runs read-only, in the tenant's data schema."),
    parameters: jsonSchema.default({ type: "object", properties: {} }),
    arguments: z
      .array(z.string().min(1).max(64))
      .max(32)
      .optional()
      .describe(
        "Which property is $1, $2, …; left out: those of parameters.required in their order, then the others by name. variables.NAME is what the caller gave with the question: the model neither sees nor chooses it.",
      ),
  })
  .describe("A query of the tenant's own data.");

const httpTool = z
  .object({
    allowedHosts: z
      .array(
        z
          .string()
          .min(1)
          .max(253)
          .regex(/^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[1-9][0-9]{0,4})?$/),
      )
      .min(1)
      .max(64)
      .describe(
        "Host names that may be called, on port 443 unless one is named: example.com:8443; *.example.com for all below one.",
      ),
    methods: z
      .array(z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]))
      .min(1)
      .max(6)
      .default(["GET"])
      .describe("Methods that may be used; the first is the model's default."),
  })
  .describe("https calls to named hosts.");

const mcpTool = z
  .object({
    url: z
      .string()
      .max(2048)
      .regex(/^https:\/\/[^\s/?#]+/)
      .describe("The server's address: https, a host name, streamable HTTP. Redirects are not followed."),
    allowedTools: z
      .array(z.string().min(1).max(128))
      .min(1)
      .max(128)
      .meta({ "x-kubernetes-list-type": "set" })
      .describe("Which of the server's tools the model is offered, as NAME_TOOL."),
    tokenSecretRef: z
      .object({
        name: objectName.describe("The Secret's name."),
        key: dataKey.default("token").describe("The Secret's key."),
      })
      .optional()
      .describe("A Secret in the tenant's namespace with the bearer token for the server. Left out: none is sent."),
  })
  .describe("Tools of a Model Context Protocol server.");

const agentTool = z
  .object({ name: objectName.max(57).describe("The Agent's name.") })
  .describe("Another Agent of this tenant, asked as a tool.");

const moduleRef = z
  .object({
    name: z
      .string()
      .min(1)
      .max(40)
      .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
      .describe("What messages call the module by."),
    configMapKeyRef: z
      .object({
        name: objectName.describe("A ConfigMap of the namespace."),
        key: z
          .string()
          .max(253)
          .regex(/^[-._a-zA-Z0-9]+\.(ts|mts|js|mjs)$/)
          .describe("The file that is imported; it can import the ConfigMap's other files."),
      })
      .describe("Where the module is; read every 30 seconds."),
  })
  .describe("A TypeScript or JavaScript module with tools and hooks of your own (docs/tools.md).");

/** The kinds of tool; each entry of `tools` has exactly one. */
export const TOOL_KINDS = ["sql", "http", "files", "commands", "mcp", "agent"] as const;
export type ToolKind = (typeof TOOL_KINDS)[number];

export const toolSpec = z
  .object({
    name: toolName,
    description: z.string().min(1).max(4096).describe("What the tool does and when to use it, for the model."),
    idempotent: z.boolean().default(false).describe("true: a call that was cut short may be run again."),
    timeoutSeconds: z
      .int()
      .min(1)
      .max(3600)
      .optional()
      .describe("Of one call; limits.toolTimeoutSeconds when left out."),
    maxAttempts: z
      .int()
      .min(1)
      .max(10)
      .default(1)
      .describe("How often a call that fails is tried, with growing pauses; more than 1 only with idempotent: true."),
    sql: sqlTool.optional(),
    http: httpTool.optional(),
    files: filesTool.optional(),
    commands: commandsTool.optional(),
    mcp: mcpTool.optional(),
    agent: agentTool.optional(),
  })
  .meta(
    rules(
      {
        rule: "self.idempotent || self.maxAttempts == 1",
        message: "maxAttempts above 1 repeats calls: set idempotent: true, or leave maxAttempts out",
      },
      {
        rule: `[${TOOL_KINDS.map((kind) => `has(self.${kind})`).join(", ")}].filter(present, present).size() == 1`,
        message: `a tool is exactly one of ${TOOL_KINDS.join(", ")}: keep one of them`,
      },
    ),
  );

export const agentSpec = z
  .object({
    model: z
      .string()
      .min(1)
      .max(128)
      .regex(/^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$/)
      .describe("The model's id, for example claude-sonnet-5-5."),
    systemPrompt: z
      .string()
      .max(200_000)
      .optional()
      .describe("What the model is told before each conversation. Not together with systemPromptFrom."),
    systemPromptFrom: z
      .object({
        configMapKeyRef: z
          .object({
            name: objectName.describe("The ConfigMap's name."),
            key: dataKey.describe("The ConfigMap's key."),
          })
          .describe("Where it is; read every 30 seconds."),
      })
      .optional()
      .describe("The system prompt from a ConfigMap of the namespace."),
    mode: z
      .enum(["Streaming", "Batch"])
      .default("Streaming")
      .describe("Streaming: answers at once. Batch: by the Message Batches API, half the price, hours later."),
    replicas: z.int().min(0).max(1000).default(1).describe("How many pods."),
    maxOutputTokens: z.int().min(1).max(200_000).default(4096).describe("Of one model call."),
    limits: z
      .object({
        maxIterations: z.int().min(1).max(1000).default(25).describe("Model calls of one run."),
        runTimeoutSeconds: z
          .int()
          .min(1)
          .max(86_400)
          .default(600)
          .describe(
            "Of one run, from the start of work; waiting for other Agents counts, waiting for a person does not.",
          ),
        toolTimeoutSeconds: z.int().min(1).max(3600).default(30).describe("Of one tool call."),
        maxDelegationDepth: z.int().min(0).max(20).default(5).describe("How deep agents may ask one another."),
        delegateAbsenceSeconds: z
          .int()
          .min(1)
          .max(86_400)
          .default(60)
          .describe("An asked agent that has no running pod for so long is not waited for any more."),
        runsPerMinute: z
          .int()
          .min(1)
          .max(1_000_000)
          .optional()
          .describe("Of this agent; the tenant's limit holds too."),
        concurrentRuns: z.int().min(1).max(100_000).optional().describe("Of this agent; the tenant's limit holds too."),
        queuedRuns: z
          .int()
          .min(1)
          .max(1_000_000)
          .default(1000)
          .describe("Runs that may wait for a worker; more are refused with 429."),
      })
      .prefault({})
      .describe("How long, how often and how many."),
    tools: z
      .array(toolSpec)
      .max(500)
      .default([])
      .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] })
      .describe("What the model may use; each entry is of exactly one kind."),
    workspace: workspaceSpec,
    modules: z
      .array(moduleRef)
      .max(16)
      .default([])
      .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] })
      .describe("Tools and hooks of your own, loaded in this order."),
    budget: z
      .object({
        perRun: spendLimit.optional().describe("Of one run, with the runs that it asks other agents for."),
        perDay: spendLimit.optional().describe("Of a UTC day: usd, tokens or both."),
        perMonth: spendLimit.optional().describe("Of a UTC month: usd, tokens or both."),
      })
      .prefault({})
      .describe("Hard limits on what this agent spends; the tenant's own hold too."),
    approvals: z
      .object({
        tools: z
          .array(toolName)
          .max(500)
          .default([])
          .meta({ "x-kubernetes-list-type": "set" })
          .describe("Names of the tools; of an MCP server's tools also one alone, as NAME_TOOL."),
        timeoutSeconds: z.int().min(1).max(604_800).default(3600).describe("How long a call waits for a decision."),
        onTimeout: z
          .enum(["Deny", "Approve"])
          .default("Deny")
          .describe("What becomes of a call that nobody decided on in time."),
        approverRoles: z
          .array(z.string().min(1).max(256))
          .max(32)
          .default([])
          .meta({ "x-kubernetes-list-type": "set" })
          .describe(
            "Who has one of these roles sees and decides the calls of all users' sessions with this agent, and nothing else of them. Roles are in the token's claim access.oidc.roleClaim of the Tenant; a service account's role is its name, system:serviceaccount:NAMESPACE:NAME.",
          ),
        ownerMayDecide: z
          .boolean()
          .default(true)
          .describe("false: nobody decides on the calls of their own sessions, approvers included (four eyes)."),
      })
      .meta(
        rules({
          rule: "self.ownerMayDecide || self.approverRoles.size() > 0",
          message: "nobody could decide: name approverRoles, or leave ownerMayDecide out",
          fieldPath: ".ownerMayDecide",
        }),
      )
      .optional()
      .describe("Tools whose calls wait for a person."),
    dataProtection: z
      .object({
        pii: z
          .enum(["Off", "Redact", "Block"])
          .default("Off")
          .describe("What becomes of personal data in what is said: placeholders take its place, or it is refused."),
        encryptTranscripts: z
          .boolean()
          .default(false)
          .describe("true: what is said is encrypted before it is stored. The operator needs a key-encryption key."),
      })
      .prefault({})
      .describe("What becomes of what is said before it is stored or sent."),
    compaction: z
      .object({
        triggerRatio: z
          .number()
          .gt(0)
          .max(1)
          .default(0.85)
          .describe("Of the model's context window: from there on the conversation is shortened."),
        targetTokens: z.int().min(1000).max(2_000_000).default(80_000).describe("Where to get to."),
        preserveLast: z.int().min(0).max(1000).default(10).describe("The last messages that stay as they are."),
        protectedTokens: z
          .int()
          .min(0)
          .max(2_000_000)
          .default(40_000)
          .describe("The last messages of so many tokens together stay as they are too."),
        summarizerModel: z
          .string()
          .min(1)
          .max(128)
          .regex(/^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$/)
          .default("claude-haiku-5-5")
          .describe("Writes the summary of what does not stay."),
      })
      .prefault({})
      .describe("How a conversation is kept within the model's context window."),
    resources: z
      .object({
        requests: z
          .object({
            cpu: quantity.default("100m").describe("CPU that a pod asks for."),
            memory: quantity.default("192Mi").describe("Memory that a pod asks for."),
          })
          .prefault({})
          .describe("What a pod asks for."),
        limits: z
          .object({
            cpu: quantity.optional().describe("CPU that a pod gets at most; left out: no limit."),
            memory: quantity.default("512Mi").describe("Memory that a pod gets at most."),
          })
          .prefault({})
          .describe("What a pod gets at most."),
      })
      .prefault({})
      .describe("Of each of the Agent's pods."),
  })
  .meta(
    rules(
      {
        rule: "!(has(self.systemPrompt) && has(self.systemPromptFrom))",
        message: "set systemPrompt or systemPromptFrom, not both",
        fieldPath: ".systemPrompt",
      },
      {
        rule: "self.compaction.protectedTokens <= self.compaction.targetTokens",
        message: "compaction.protectedTokens must not be larger than compaction.targetTokens",
        fieldPath: ".compaction.protectedTokens",
      },
    ),
  );

export const agentStatus = z.object({
  observedGeneration: z.int().optional(),
  conditions: conditions.optional(),
  replicas: z.int().optional(),
  readyReplicas: z.int().optional(),
  selector: z.string().optional(),
  endpoint: z.string().optional(),
  configRevision: z.string().optional(),
});

/** An Agent as the API server gives it. */
export const agent = z.object({
  apiVersion: z.literal(API_VERSION).default(API_VERSION),
  kind: z.literal("Agent").default("Agent"),
  metadata: objectMeta,
  spec: agentSpec,
  status: agentStatus.prefault({}),
});

export type Agent = z.infer<typeof agent>;
export type ToolSpec = z.infer<typeof toolSpec>;

/** The kind of a tool; the API server has made sure that it has exactly one. */
export function toolKind(tool: ToolSpec): ToolKind {
  const kind = TOOL_KINDS.find((it) => tool[it] !== undefined);
  if (!kind) throw new TypeError(`tool ${tool.name} has no kind`);
  return kind;
}

/** Whether its pods have a workspace. */
export const needsWorkspace = (tools: readonly ToolSpec[]): boolean => tools.some((it) => it.files ?? it.commands);
