import { z } from "zod";
import { denialReason } from "../../api/denial.ts";
import { RUN_STATES } from "../../database/runs/run.ts";
import { storableText } from "../../database/runs/storable.ts";

/** What comes in and goes out over HTTP; the OpenAPI document is made from these. */
export const MAX_MESSAGE_CHARS = 200_000;

export const MAX_METADATA_ENTRIES = 32;
const metadataKey = z.string().min(1).max(64);
const metadataValue = z.string().max(1024);
const tooMany = { path: ["metadata"], message: `at most ${MAX_METADATA_ENTRIES} entries` };
const isFew = ({ metadata }: { metadata: object }) => Object.keys(metadata).length <= MAX_METADATA_ENTRIES;

export const newSession = z
  .strictObject({ metadata: z.record(metadataKey, metadataValue).default({}) })
  .refine(isFew, tooMany);

export const sessionChange = z
  .strictObject({
    metadata: z.record(metadataKey, metadataValue.nullable()).describe("New values; null takes an entry out."),
  })
  .refine(isFew, tooMany);

/** A body that says nothing. */
export const nothing = z.strictObject({});

/** Levels of objects and lists: what walks through them, here and in Postgres, does so with a stack. */
export const MAX_DEPTH = 100;
const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((it) => isDeeper(it, levels - 1)));

export const newRun = z.strictObject({
  message: z.string().min(1).max(MAX_MESSAGE_CHARS).overwrite(storableText),
  variables: z
    .record(z.string().max(64), z.unknown())
    .refine(
      (it) => !isDeeper(it, MAX_DEPTH),
      `objects and lists in each other at most ${MAX_DEPTH} deep: make it flatter`,
    )
    .describe(`Objects and lists in each other at most ${MAX_DEPTH} deep.`)
    .optional(),
});

export const session = z.object({
  id: z.uuid(),
  agent: z.string(),
  metadata: z.record(z.string(), z.unknown()),
  compactions: z.int().describe("How often its conversation was compacted."),
  createdAt: z.iso.datetime(),
});

export const sessionPage = z.object({
  items: z.array(session),
  next: z.string().nullable().describe("The value of `before` for the next page."),
});

export const message = z.object({
  seq: z.int(),
  runId: z.uuid(),
  role: z.enum(["user", "assistant"]),
  content: z.array(z.looseObject({ type: z.string() })),
  createdAt: z.iso.datetime(),
});

export const messagePage = z.object({
  items: z.array(message),
  next: z.int().nullable().describe("The value of `after` for the next page."),
});

export const context = z.object({
  tokens: z.int().describe("As the API counts them, or, when it does not say, about right."),
  windowTokens: z.int(),
  triggerTokens: z.int().describe("From there on the next run compacts the conversation."),
  targetTokens: z.int(),
  needsCompaction: z.boolean(),
  compactions: z.int(),
  messages: z.int().describe("In the conversation as the model gets it."),
  archivedMessages: z.int().describe("Originals that are kept of what was changed or taken out."),
});

export const compacted = z.object({
  runId: z.uuid().nullable().describe("The run that it is in the books; null when there was nothing to do."),
  outcome: z.enum(["pruned", "summarised", "unchanged"]),
  tokensBefore: z.int(),
  tokensAfter: z.int(),
});

const tokens = z.object({ input: z.int(), output: z.int(), cacheRead: z.int(), cacheWrite: z.int() });

export const run = z.object({
  id: z.uuid(),
  sessionId: z.uuid(),
  agent: z.string(),
  model: z.string(),
  state: z.enum(RUN_STATES),
  iteration: z.int(),
  response: z.string().nullable(),
  stopReason: z.string().nullable(),
  error: z.object({ type: z.string(), message: z.string() }).nullable(),
  tokens,
  usd: z.string().describe("US dollars as a decimal."),
  cancelRequested: z.boolean(),
  /** When the message batch was submitted that the run waits for. */
  batchSubmittedAt: z.string().nullable(),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().nullable(),
  finishedAt: z.iso.datetime().nullable(),
});

export const runPage = z.object({
  items: z.array(run),
  next: z.string().nullable().describe("The value of `before` for the next page."),
});

export const acceptedRun = z.object({ id: z.uuid(), sessionId: z.uuid(), state: run.shape.state });

export const problem = z.object({
  type: z.string().describe("urn:agentpg:problem:CODE; a code stays what it is."),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  field: z.string().optional().describe("A JSON pointer into the body (#/a), ?parameter, or a header's name."),
});

const toolCall = z.object({
  toolUseId: z.string(),
  name: z.string(),
  state: z.enum(["awaiting_approval", "approved", "running", "completed", "failed"]),
  attempts: z.int(),
  isError: z.boolean().nullable(),
  input: z.unknown(),
  startedAt: z.string(),
  finishedAt: z.string().nullable(),
  childRun: z.string().nullable(),
});

/** A run with the runs that it asked other agents for, which have the same shape. */
export const runTree = z.object({
  id: z.uuid(),
  sessionId: z.uuid(),
  agent: z.string(),
  depth: z.int(),
  state: run.shape.state,
  task: z.string(),
  response: z.string().nullable(),
  error: z.object({ type: z.string(), message: z.string() }).nullable(),
  iteration: z.int(),
  tokens: z.int(),
  usd: z.string().describe("US dollars, of this run alone."),
  totalUsd: z.string().describe("US dollars, with all that it asked for."),
  createdAt: z.string(),
  finishedAt: z.string().nullable(),
  toolCalls: z.array(toolCall),
  children: z.array(z.looseObject({ id: z.uuid() })).describe("Of the same shape."),
});

export const approvalPage = z.object({
  items: z.array(
    z.object({
      runId: z.uuid(),
      sessionId: z.uuid(),
      user: z.string().describe("Whose session it is."),
      mayDecide: z.boolean().describe("Whether you may decide on it (Agent spec.approvals)."),
      toolUseId: z.string(),
      tool: z.string(),
      input: z.unknown(),
      requestedAt: z.iso.datetime(),
      expiresAt: z.iso.datetime(),
    }),
  ),
  next: z.string().nullable().describe("The value of `after` for the next page."),
});

export const decision = z
  .strictObject({
    approve: z.boolean().describe("true: the call is made. false: the model is told that it was denied."),
    reason: denialReason
      .overwrite(storableText)
      .optional()
      .describe("Of a denial: for the model, the audit log and whoever follows the run."),
  })
  .refine((it) => !(it.approve && it.reason), {
    path: ["reason"],
    error: "is of a denial: leave it out where you approve",
  });

export const decided = z.object({ runId: z.uuid(), toolUseId: z.string(), approved: z.boolean() });

const day = z.iso.date();
const usageLine = z.object({
  key: z.string().describe("The UTC day, the agent's or the model's name, or the user's id."),
  runs: z.int(),
  tokens,
  usd: z.string().describe("US dollars as a decimal."),
});
export const usage = z.object({
  from: day,
  to: day,
  by: z.enum(["day", "agent", "model", "user"]),
  scope: z.enum(["user", "tenant"]),
  items: z.array(usageLine),
});

const amount = z.object({ limit: z.number(), spent: z.number() });
export const limits = z.object({
  budgets: z.array(
    z.object({
      name: z.string(),
      exhausted: z.boolean().describe("Runs that would spend more end as failed with budget_exceeded."),
      resets: z.iso.datetime(),
      usd: amount.optional().describe("Only for callers with the scope agentpg:admin."),
      tokens: amount.optional().describe("Only for callers with the scope agentpg:admin."),
    }),
  ),
  runsPerMinute: z.int().describe("The least of the tenant's and the agent's."),
  concurrentRuns: z.int(),
  queuedRuns: z.int(),
  queued: z.int().describe("Runs of this agent that wait now."),
});

const whole = (least: number, most: number, otherwise: number) =>
  z
    .string()
    .regex(/^\d{1,10}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.int().min(least).max(most))
    .default(otherwise);
const NO_CURSOR = "is no cursor: give the `next` of the page before";
const cursor = z.uuid(NO_CURSOR).optional();
/** `RUN.CALL`. */
const callCursor = z
  .string()
  .max(512)
  .transform((it) => ({ runId: it.slice(0, 36), toolUseId: it.slice(37) }))
  .pipe(z.object({ runId: z.uuid(NO_CURSOR), toolUseId: z.string().regex(/^[\x21-\x7e]+$/, NO_CURSOR) }))
  .optional();
/** `key:value`, once or more often. */
const metadataFilter = z
  .union([z.string(), z.array(z.string()).max(8)])
  .optional()
  .transform((it) => (it === undefined ? [] : [it].flat()))
  .refine((all) => all.every((it) => /^[^:]{1,64}:[^]{0,1024}$/.test(it)), "must be `key:value`")
  .transform((all) =>
    Object.fromEntries(all.map((it) => [it.slice(0, it.indexOf(":")), it.slice(it.indexOf(":") + 1)])),
  );

export const sessionsQuery = z.strictObject({ limit: whole(1, 100, 20), before: cursor, metadata: metadataFilter });
export const runsQuery = z.strictObject({
  limit: whole(1, 100, 20),
  before: cursor,
  state: run.shape.state.optional(),
});
export const approvalsQuery = z.strictObject({ limit: whole(1, 100, 100), after: callCursor });
export const messagesQuery = z.strictObject({ limit: whole(1, 500, 100), after: whole(0, 2 ** 31 - 1, 0) });

const DAY_MS = 86_400_000;
const today = () => new Date().toISOString().slice(0, 10);
const dayThatIs = day.refine((it) => it >= "0001-01-01", "there is no year 0: begin with 0001-01-01");
export const usageQuery = z
  .strictObject({
    from: dayThatIs.default(() => `${today().slice(0, 8)}01`),
    to: dayThatIs.default(today),
    by: usage.shape.by.default("day"),
    scope: usage.shape.scope.default("user"),
  })
  .refine(({ from, to }) => from <= to, { path: ["from"], message: "is after `to`" })
  .refine(({ from, to }) => Date.parse(to) - Date.parse(from) <= 366 * DAY_MS, {
    path: ["from"],
    message: "is more than 366 days before `to`",
  });
