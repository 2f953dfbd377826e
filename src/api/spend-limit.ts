import { z } from "zod";
import { rules } from "./resource.ts";

/** US dollars as a decimal string, so that no binary rounding touches money. */
const usd = z
  .string()
  .max(20)
  .regex(/^[0-9]+(\.[0-9]{1,6})?$/)
  .describe('US dollars as a decimal string, for example "50" or "12.50".');

export const spendLimit = z
  .object({
    usd: usd.optional(),
    tokens: z.int().min(0).max(1e15).optional().describe("Input tokens, cached ones too, and output tokens together."),
  })
  .meta(
    rules({ rule: "has(self.usd) || has(self.tokens)", message: "set usd, tokens or both, or leave this limit out" }),
  );
