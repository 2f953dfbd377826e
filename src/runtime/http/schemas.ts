import { z } from "zod";
import { storableText } from "../../database/runs/storable.ts";

/** What comes in and goes out over HTTP; the OpenAPI document is made from these. */
export const MAX_MESSAGE_CHARS = 200_000;

export const newSession = z
  .object({ metadata: z.record(z.string().max(64), z.string().max(1024)).default({}) })
  .refine(({ metadata }) => Object.keys(metadata).length <= 32, { path: ["metadata"], message: "at most 32 entries" });

export const newRun = z.object({
  message: z.string().min(1).max(MAX_MESSAGE_CHARS).overwrite(storableText),
  variables: z.record(z.string().max(64), z.unknown()).optional(),
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
  state: z.enum([
    "pending",
    "running",
    "awaiting_agent",
    "awaiting_approval",
    "awaiting_batch",
    "completed",
    "failed",
    "cancelled",
  ]),
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

export const acceptedRun = z.object({ id: z.uuid(), sessionId: z.uuid(), state: run.shape.state });

export const problem = z.object({ type: z.string(), title: z.string(), status: z.int(), detail: z.string() });

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  before: z.uuid().optional(),
});
export const messagesQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  after: z.coerce.number().int().min(0).default(0),
});
