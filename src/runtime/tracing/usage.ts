import type { Tokens } from "../../database/runs/run.ts";
import type { Attributes } from "./attributes.ts";

/** Tokens as the conventions count them: what the API counts beside the input is part of it. */
export const usageOf = ({ input, output, cacheRead, cacheWrite }: Tokens): Attributes => ({
  "gen_ai.usage.input_tokens": input + cacheRead + cacheWrite,
  "gen_ai.usage.output_tokens": output,
  "gen_ai.usage.cache_read.input_tokens": cacheRead,
  "gen_ai.usage.cache_creation.input_tokens": cacheWrite,
});
