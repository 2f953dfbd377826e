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
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().nullable(),
  finishedAt: z.iso.datetime().nullable(),
});

export const acceptedRun = z.object({ id: z.uuid(), sessionId: z.uuid(), state: z.enum(["pending", "running"]) });

export const problem = z.object({ type: z.string(), title: z.string(), status: z.int(), detail: z.string() });

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  before: z.uuid().optional(),
});
export const messagesQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  after: z.coerce.number().int().min(0).default(0),
});
