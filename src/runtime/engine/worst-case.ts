import type { Spend } from "../../database/runs/load.ts";
import type { ModelRequest } from "../model/client.ts";
import { worstCostOf } from "../prices.ts";

/** Bytes of input; three of them a token is more than real text has, so that the reserve is on the safe side. */
const BYTES_PER_TOKEN = 3;
const REQUEST_OVERHEAD_TOKENS = 500;

/** The most that the call can spend. */
export function worstOf(request: ModelRequest, batched = false): Spend {
  const bytes =
    JSON.stringify(request.messages).length + JSON.stringify(request.tools).length + (request.system?.length ?? 0);
  const input = Math.ceil(bytes / BYTES_PER_TOKEN) + REQUEST_OVERHEAD_TOKENS;
  return { usd: worstCostOf(request.model, input, request.maxTokens, batched), tokens: input + request.maxTokens };
}
