import { z } from "zod";
import type { RunEvent } from "../engine/events.ts";
import { run } from "./schemas.ts";

const toolUseId = z.string();
const begun = z.object({ runId: z.uuid(), sessionId: z.uuid() });
const isError = z.boolean();
const { tokens, response, stopReason, error } = run.shape;

const result = <State extends "completed" | "failed" | "cancelled">(state: State) =>
  z.object({ runId: z.uuid(), state: z.literal(state), response, stopReason, error, tokens, usd: z.number() });

/** The `data` of each event, by its name. */
export const EVENT_DATA = {
  "run.queued": begun.describe("It waits for its session, or for room."),
  "run.started": begun,
  "text.delta": z.object({ text: z.string() }),
  restarted: z
    .object({ reason: z.string() })
    .describe("Drop the text since the last tool call or the start: it comes again."),
  "tool.started": z.object({ toolUseId, name: z.string() }),
  "tool.finished": z.object({ toolUseId, name: z.string(), isError }),
  "delegation.started": z.object({ toolUseId, agent: z.string() }),
  "delegation.finished": z.object({ toolUseId, agent: z.string(), isError }),
  "compaction.started": z.object({ tokens: z.number() }).describe("Only told live, as the one after it."),
  "compaction.finished": z.object({
    outcome: z.enum(["pruned", "summarised", "unchanged"]),
    tokensBefore: z.number(),
    tokensAfter: z.number(),
  }),
  "batch.submitted": z.object({ submittedAt: z.string() }),
  "approval.requested": z
    .object({ toolUseId, name: z.string(), input: z.unknown(), expiresAt: z.string() })
    .describe("A call waits for a person."),
  "approval.decided": z
    .object({
      toolUseId,
      name: z.string(),
      approved: z.boolean(),
      by: z.string().nullable().describe("The user who decided; null: nobody did in time."),
      reason: z.string().nullable().describe("Why it was denied; null: nobody said."),
    })
    .describe("Nobody is waited for any more."),
  "run.completed": result("completed").describe("The last event."),
  "run.failed": result("failed").describe("The last event."),
  "run.cancelled": result("cancelled").describe("The last event."),
} satisfies Record<RunEvent["type"], z.ZodType>;
