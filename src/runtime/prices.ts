import type { Tokens } from "../database/runs/run.ts";

interface Price {
  input: number;
  output: number;
}
/**
 * US dollars per million tokens, by model family. As of 2026-11-22; change it here when the price list changes
 * (https://platform.claude.com/docs/en/about-claude/pricing). Cached input: 0.1 × to read, 1.25 × to write for 5 minutes.
 * In a message batch all of it costs half.
 */
const PRICES: [family: RegExp, Price][] = [
  [/opus/, { input: 5, output: 25 }],
  [/sonnet/, { input: 3, output: 15 }],
  [/haiku/, { input: 1, output: 5 }],
];
const CACHE_READ = 0.1;
const CACHE_WRITE = 1.25;
const BATCH = 0.5;

const DEAREST: Price = { input: 15, output: 75 };

/** A model that is in no family is priced as the dearest there has been: a budget must not be overrun for a name. */
export const priceOf = (model: string): Price => PRICES.find(([family]) => family.test(model))?.[1] ?? DEAREST;

/** What these tokens cost, in US dollars. */
export function costOf(model: string, tokens: Tokens, batched = false): number {
  const { input, output } = priceOf(model);
  const inputs = tokens.input + tokens.cacheRead * CACHE_READ + tokens.cacheWrite * CACHE_WRITE;
  return ((inputs * input + tokens.output * output) / 1e6) * (batched ? BATCH : 1);
}

/** The most that a call can cost: all input written to the cache, and the whole of the output limit. */
export const worstCostOf = (model: string, inputTokens: number, maxOutputTokens: number, batched = false): number =>
  costOf(model, { input: 0, output: maxOutputTokens, cacheRead: 0, cacheWrite: inputTokens }, batched);
